import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CODES, OctavoError, invalidArgument, type Code } from '../../src/core/error.js';
import { writeHttp } from '../../src/core/http-writer.js';
import { EMPTY } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { readError, writeError } from '../../src/core/wire-error.js';

describe('an error on the wire', () => {
  // The table's keys are the codes.
  for (const code of Object.keys(CODES) as Code[])
    it(`keeps the code ${code}, message and details between Octavo peers`, () => {
      const error = new OctavoError(code, 'détail <"&', { details: [{ type: 'a', n: 1 }], executed: false });
      const read = readError(writeError(error, 'greeter', true));
      assert.equal(read.code, code);
      assert.equal(read.message, error.message);
      assert.deepEqual(read.details, error.details);
      assert.equal(read.executed, false);
      assert.equal(read.retryable, error.retryable);
      assert.equal(read.id, 'greeter');
    });

  it("is go-micro's four members and no others towards a Go peer", () => {
    const text = writeError(invalidArgument('bad', [{ field: 'a', description: 'b' }]), 'greeter', false);
    assert.deepEqual(JSON.parse(text), { id: 'greeter', code: 400, detail: 'bad', status: 'Bad Request' });
  });

  it('has no line break, whatever is in the message', () => {
    assert.doesNotMatch(writeError(new OctavoError('internal', 'a\r\nb\0'), 'x', true), /[\r\n\0]/);
  });

  it('fits a header, whatever is in the message', () => {
    const header = new Metadata([
      ['Micro-Error', writeError(new OctavoError('internal', 'a\x7f\u2028é'), 'x', true)],
    ]);
    writeHttp('HTTP/1.1 200 OK', header, EMPTY);
    assert.equal(readError(header.get('Micro-Error') ?? '').message, 'a\x7f\u2028é');
  });

  it('takes 16 KiB at most, however long message and id are', () => {
    for (const octavo of [true, false])
      for (const long of ['日'.repeat(9_000), '\0'.repeat(9_000), '"'.repeat(90_000)]) {
        const told = writeError(new OctavoError('not_found', long, { id: long }), 'x', octavo);
        assert.ok(Buffer.byteLength(told) <= 16_384);
        assert.equal(readError(told).code, 'not_found');
        assert.ok(readError(told).message.length >= 2_000);
      }
  });

  it('leaves details at home that are too large or hold themselves', () => {
    const cyclic: { type: string; self?: unknown } = { type: 'x' };
    cyclic.self = cyclic;
    const large = { type: 'x', text: 'a'.repeat(100_000) };
    for (const detail of [cyclic, large]) {
      const read = readError(writeError(new OctavoError('internal', 'm', { details: [detail] }), 'x', true));
      assert.deepEqual(read.details, []);
      assert.equal(read.message, 'm');
    }
  });

  it("reads what go-micro's servers write", () => {
    const read = readError(
      '{"id":"greeter.bad","code":400,"detail":"bad \\u003cJ\\u003e é","status":"Bad Request"}',
    );
    assert.deepEqual([read.code, read.message, read.id], ['invalid_argument', 'bad <J> é', 'greeter.bad']);
    assert.equal(readError("rpc: can't find method Nope").code, 'unimplemented');
    assert.deepEqual(
      [readError('boom plain').code, readError('boom plain').message],
      ['unknown', 'boom plain'],
    );
    assert.equal(readError('{"id":"x","detail":"no code"}').code, 'unknown');
  });

  for (const text of [
    '{',
    '{}',
    '{"code":"x"}',
    '{"code":{"valueOf":1,"toString":1}}',
    '{"grpc":"__proto__","code":0}',
    '{"details":1,"code":400}',
    '[]',
    '',
  ])
    it(`makes an error of ${JSON.stringify(text)}`, () => {
      assert.ok(readError(text) instanceof OctavoError);
    });
});
