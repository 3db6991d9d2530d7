import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Field, Message, Repeated } from '../../decorators/index.js';
import { BytesCodec, bytes } from '../../src/codec/bytes.js';
import type { CallHeader } from '../../src/codec/codec.js';
import { TextCodec, text } from '../../src/codec/text.js';
import { OctavoError } from '../../src/core/error.js';

@Message('value.Frame')
class Frame {
  @Field(1, 'bytes') data: Uint8Array = new Uint8Array(0);
}

@Message('value.Line')
class Line {
  @Field(1, 'string') line = '';
}

@Message('value.Lines')
class Lines {
  @Repeated(1, 'string') lines: string[] = [];
}

@Message('value.Pair')
class Pair {
  @Field(1, 'string') line = '';
  @Field(2, 'string') other = '';
}

const response: CallHeader = { kind: 'response', id: '', service: '', endpoint: '' };
const refusing = (run: () => unknown, what: RegExp): void =>
  assert.throws(
    run,
    (reason) =>
      reason instanceof OctavoError && reason.code === 'invalid_argument' && what.test(reason.message),
  );

describe('bytes', () => {
  const codec = new BytesCodec();
  const some = Uint8Array.from([0, 255, 128, 10]);

  it('are what a message of one field of bytes is', () => {
    assert.deepEqual(codec.write(response, { data: some }, Frame), some);
    assert.deepEqual(codec.readBody(some, Frame), Object.assign(new Frame(), { data: some }));
    assert.deepEqual(codec.write(response, {}, Frame), new Uint8Array(0));
    assert.deepEqual(codec.readBody(new Uint8Array(0), Frame), new Frame());
  });

  it('are what they are without a type, and a copy', () => {
    const given = Uint8Array.from(some);
    const read = codec.readBody(given, undefined);
    given.fill(0);
    assert.deepEqual(read, some);
    assert.deepEqual(codec.write(response, some, undefined), some);
  });

  it('are no other message and no other value', () => {
    for (const type of [Line, Lines, Pair])
      refusing(() => codec.readBody(some, type), new RegExp(`${type.name}.* bytes`));
    refusing(() => codec.write(response, { data: 'x' }, Frame), /data/);
    refusing(() => codec.write(response, 'x', undefined), /Uint8Array/);
  });
});

describe('text', () => {
  const codec = new TextCodec();
  const some = '\ufeffé 日本 \0\n';

  it('is what a message of one string is', () => {
    assert.equal(Buffer.from(codec.write(response, { line: some }, Line)).toString(), some);
    assert.deepEqual(codec.readBody(Buffer.from(some), Line), Object.assign(new Line(), { line: some }));
  });

  it('is a string without a type', () => {
    assert.equal(codec.readBody(Buffer.from(some), undefined), some);
    assert.equal(Buffer.from(codec.write(response, some, undefined)).toString(), some);
  });

  it('is UTF-8, no other message and no other value', () => {
    refusing(() => codec.readBody(Uint8Array.from([0xff]), Line), /UTF-8/);
    refusing(() => codec.write(response, '\ud800', undefined), /whole/);
    refusing(() => codec.write(response, 1, undefined), /string/);
    for (const type of [Frame, Lines, Pair])
      refusing(() => codec.readBody(Buffer.from('x'), type), new RegExp(`${type.name}.* string`));
  });
});

describe('the codecs of values', () => {
  it('are made by their providers', () => {
    const resolve = (): never => assert.fail('a codec asked for a dependency');
    assert.ok(bytes()(resolve) instanceof BytesCodec && text()(resolve) instanceof TextCodec);
  });
});
