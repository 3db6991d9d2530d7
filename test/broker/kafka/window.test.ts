import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Window } from '../../../src/broker/kafka/window.js';

describe('a window on the events of a partition', () => {
  it('says how far everything is dealt with, and no further, in whatever order that happens', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 50 }), (order) => {
        const window = new Window(7n);
        order.forEach((_, at) => assert.ok(window.take(7n + BigInt(at))));
        const open = new Set(order.keys());
        const dealtWith = [...order.keys()].sort((a, b) => (order[a] ?? 0) - (order[b] ?? 0));
        for (const at of dealtWith) {
          window.done(7n + BigInt(at));
          open.delete(at);
          const oldest = Math.min(order.length, ...open);
          assert.equal(window.untold ?? 7n, 7n + BigInt(oldest));
          assert.equal(window.span, order.length - oldest);
        }
        assert.equal(open.size, 0);
      }),
    );
  });

  it('takes nothing twice, and jumps over offsets that are none', () => {
    const window = new Window(3n);
    assert.deepEqual(
      [3n, 4n, 3n, 9n, 8n, 10n].map((each) => window.take(each)),
      [true, true, false, true, false, true],
    );
    for (const each of [3n, 4n, 9n]) window.done(each);
    assert.equal(window.untold, 10n);
  });

  it('tells of nothing that the server knows', () => {
    const window = new Window(0n);
    assert.equal(window.untold, undefined);
    window.take(0n);
    window.take(1n);
    window.done(0n);
    assert.equal(window.untold, 1n);
    window.told(1n);
    assert.equal(window.untold, undefined);
    window.done(1n);
    assert.equal(window.untold, 2n);
  });
});
