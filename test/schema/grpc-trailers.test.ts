import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CODES, FIELD_VIOLATIONS, OctavoError, type Code } from '../../src/core/error.js';
import { GRPC_OK, readTrailers, writeTrailers } from '../../src/schema/grpc-trailers.js';

describe('trailers', () => {
  it('carry every code and its message', () => {
    for (const code of Object.keys(CODES) as Code[]) {
      const read = readTrailers(writeTrailers(new OctavoError(code, 'no ☺')), 'peer');
      assert.deepEqual([read?.code, read?.message], [code, 'no ☺']);
    }
    assert.equal(readTrailers(GRPC_OK, 'peer'), undefined);
  });

  it('carry details, in base64 without padding', () => {
    const fields = [{ field: 'name', description: 'too short' }];
    const error = new OctavoError('invalid_argument', 'bad', {
      details: [{ type: FIELD_VIOLATIONS, fields }],
      executed: false,
    });
    const trailers = writeTrailers(error);
    assert.match(trailers['grpc-status-details-bin'] ?? '', /^[A-Za-z0-9+/]+$/);
    const read = readTrailers(trailers, 'peer');
    assert.deepEqual([read?.details, read?.executed], [error.details, false]);
  });

  it('go by the status where details contradict it, or are none', () => {
    const trailers = writeTrailers(new OctavoError('aborted', 'x', { executed: false }));
    assert.equal(readTrailers({ ...trailers, 'grpc-status': '5' }, 'peer')?.code, 'not_found');
    assert.equal(readTrailers({ ...trailers, 'grpc-status-details-bin': '!!' }, 'peer')?.code, 'aborted');
  });

  it('without a status are an error that names the peer', () => {
    for (const status of [undefined, '', 'ok', '-1'])
      assert.match(
        readTrailers({ 'grpc-status': status }, 'peer')?.message ?? '',
        /^peer ended the call without/,
      );
  });
});
