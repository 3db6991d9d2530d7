import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FIELD_VIOLATIONS, OctavoError, RETRY_AFTER } from '../../src/core/error.js';
import { codeOf } from '../../src/core/grpc-status.js';
import { readStatus, writeStatus } from '../../src/schema/rpc-status.js';

const ROOM = 4_096;

function there(error: OctavoError): OctavoError {
  const bytes = writeStatus(error, ROOM);
  assert.ok(bytes !== undefined);
  return readStatus(bytes);
}

describe('an error as google.rpc.Status', () => {
  it('is nothing where code and message say all', () => {
    assert.equal(writeStatus(new OctavoError('not_found', 'no'), ROOM), undefined);
  });

  it('keeps what Octavo knows of it', () => {
    const error = new OctavoError('unavailable', 'später', {
      executed: false,
      retryable: false,
      id: 'greeter',
    });
    const { code, message, executed, retryable, id, details } = there(error);
    assert.deepEqual(
      [code, message, executed, retryable, id, details],
      ['unavailable', 'später', false, false, 'greeter', []],
    );
  });

  it('keeps its details: some as Google’s own, others as Struct', () => {
    const details = [
      { type: FIELD_VIOLATIONS, fields: [{ field: 'a.b', description: 'is wrong' }] },
      { type: RETRY_AFTER, ms: 1_500.25 },
      { type: 'order', lines: [{ n: 1, open: true }], note: null },
    ];
    assert.deepEqual(there(new OctavoError('aborted', 'x', { details })).details, details);
  });

  it('has bigints as text, and leaves out what is no JSON', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const details = [
      { type: 'big', n: 12n },
      { type: 'circle', circle },
      { type: FIELD_VIOLATIONS, fields: 'none' },
    ];
    assert.deepEqual(there(new OctavoError('aborted', 'x', { details })).details, [{ type: 'big', n: '12' }]);
  });

  it('leaves details at home that are too long, and says the rest', () => {
    const details = [{ type: 'long', text: 'x'.repeat(ROOM) }];
    const error = there(new OctavoError('aborted', 'x', { details, id: 'me' }));
    assert.deepEqual([error.details, error.id], [[], 'me']);
    assert.equal(writeStatus(new OctavoError('aborted', 'x', { details }), ROOM), undefined);
    assert.equal(writeStatus(new OctavoError('aborted', 'x'.repeat(ROOM), { id: 'me' }), ROOM), undefined);
  });

  it('is refused where the bytes are none', () => {
    assert.throws(() => readStatus(Uint8Array.of(255)), { code: 'invalid_argument' });
  });

  it('has the names of gRPC’s numbers', () => {
    assert.deepEqual([codeOf(1), codeOf(16), codeOf(99)], ['cancelled', 'unauthenticated', 'unknown']);
  });
});
