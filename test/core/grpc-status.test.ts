import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codeOf, codeOfHttp, readGrpcMessage, writeGrpcMessage } from '../../src/core/grpc-status.js';

/** The message of the interop case special_status_message. */
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP \u263A and non-BMP \u{1F608}\t\n';

describe('grpc-message', () => {
  it('is printable ASCII, with everything else percent-encoded', () => {
    assert.equal(writeGrpcMessage('a b=100%, "ü"!'), 'a b=100%25, "%C3%BC"!');
    assert.match(writeGrpcMessage(SPECIAL), /^[ -~]*$/);
  });

  for (const text of ['', 'plain', SPECIAL, '%41', 'a~b', '\u0000\u007f'])
    it(`is read as it was written: ${JSON.stringify(text)}`, () => {
      assert.equal(readGrpcMessage(writeGrpcMessage(text)), text);
    });

  it('is cut where it is too long, and not within a character', () => {
    const written = writeGrpcMessage('ü'.repeat(5_000));
    assert.ok(written.length > 500 && written.length <= 2_048);
    assert.match(readGrpcMessage(written), /^ü+$/);
  });

  it('stays as it is where it is wrongly encoded', () => {
    assert.equal(readGrpcMessage('100% sure'), '100% sure');
    assert.equal(readGrpcMessage('%ff%41'), '\uFFFDA');
  });
});

it('numbers are codes, and those of HTTP too', () => {
  assert.deepEqual(
    [codeOf(1), codeOf(16), codeOf(0), codeOf(99)],
    ['cancelled', 'unauthenticated', 'unknown', 'unknown'],
  );
  assert.deepEqual([400, 401, 403, 404, 429, 502, 503, 504, 418].map(codeOfHttp), [
    'internal',
    'unauthenticated',
    'permission_denied',
    'unimplemented',
    'unavailable',
    'unavailable',
    'unavailable',
    'unavailable',
    'unknown',
  ]);
});
