import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CODES, FIELD_VIOLATIONS, OctavoError, invalidArgument, type Code } from '../../src/core/error.js';

describe('OctavoError', () => {
  it('has gRPC’s sixteen codes, each with its number', () => {
    const numbers = Object.values(CODES).map(({ grpc }) => grpc);
    assert.deepEqual(
      numbers,
      Array.from({ length: 16 }, (_, n) => n + 1),
    );
  });

  it('may be tried again as its code says, unless it says so itself', () => {
    // The table's keys are the codes.
    for (const code of Object.keys(CODES) as Code[]) {
      assert.equal(new OctavoError(code, 'x').retryable, CODES[code].retryable);
      const retryable = !CODES[code].retryable;
      assert.equal(new OctavoError(code, 'x', { retryable }).retryable, retryable);
    }
  });

  it('keeps its cause, and has none where it was given none', () => {
    const cause = new Error('the cause');
    assert.equal(new OctavoError('internal', 'x', { cause }).cause, cause);
    assert.equal('cause' in new OctavoError('internal', 'x'), false);
  });

  it('lists the fields that broke a rule', () => {
    const fields = [{ field: 'address.lines[2]', description: 'is too long' }];
    assert.deepEqual(invalidArgument('x', fields).violations, fields);
    assert.deepEqual(invalidArgument('x').details, []);
    for (const details of [[], [{ type: 'other', fields }], [{ type: FIELD_VIOLATIONS, fields: 'none' }]])
      assert.deepEqual(new OctavoError('invalid_argument', 'x', { details }).violations, []);
  });
});

describe('OctavoError.from', () => {
  it('gives the same one back', () => {
    const error = new OctavoError('not_found', 'x');
    assert.equal(OctavoError.from(error), error);
  });

  it('makes a cancelled of an abort', () => {
    assert.equal(OctavoError.from(AbortSignal.abort().reason).code, 'cancelled');
  });

  const thrown: readonly (readonly [string, unknown, string])[] = [
    ['an error', new TypeError('no such thing'), 'no such thing'],
    ['a text', 'no', 'no'],
    ['undefined', undefined, 'undefined'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['an object without a prototype', Object.create(null), 'something was thrown that has no text'],
    [
      'an object that cannot be text',
      {
        toString() {
          throw new Error('no');
        },
      },
      'something was thrown that has no text',
    ],
  ];
  for (const [what, reason, message] of thrown)
    it(`makes an internal of ${what}, and keeps it as the cause`, () => {
      const error = OctavoError.from(reason);
      assert.deepEqual([error.code, error.message], ['internal', message]);
      assert.equal(error.cause, reason);
    });
});
