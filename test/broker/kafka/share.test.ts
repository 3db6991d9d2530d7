import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { divide, type Share } from '../../../src/broker/kafka/share.js';

const share = fc.record({
  generation: fc.integer({ min: -1, max: 5 }),
  // Also such as are not there, and such as are twice: what other members say may be anything.
  partitions: fc.array(fc.integer({ min: -2, max: 15 }), { maxLength: 12 }),
});

describe('the partitions of a topic', () => {
  it('go to one member each, all of them, evenly, whatever the members say that they had', () => {
    fc.assert(
      fc.property(fc.nat(13), fc.array(share, { minLength: 1, maxLength: 6 }), (count, shares) => {
        const parts = divide(count, shares);
        assert.equal(parts.length, shares.length);
        assert.deepEqual(
          parts.flat().sort((a, b) => a - b),
          Array.from({ length: count }, (_, at) => at),
        );
        const sizes = parts.map(({ length }) => length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join());
      }),
    );
  });

  it('stay where they are as far as that is even, when members come and go', () => {
    const had = (generation: number, ...partitions: number[]): Share => ({ generation, partitions });
    assert.deepEqual(divide(1, [had(0), had(3, 0)]), [[], [0]]);
    assert.deepEqual(divide(4, [had(3, 0, 1, 2, 3), had(0)]), [
      [0, 1],
      [2, 3],
    ]);
    assert.deepEqual(divide(4, [had(3, 0, 1), had(3, 3)]), [
      [0, 1],
      [3, 2],
    ]);
    assert.deepEqual(divide(5, [had(3, 4, 3), had(3, 0, 1, 2)]), [
      [4, 3],
      [0, 1, 2],
    ]);
  });

  it('are rather with whoever had them later', () => {
    assert.deepEqual(
      divide(2, [
        { generation: 3, partitions: [0, 1] },
        { generation: 7, partitions: [1] },
      ]),
      [[0], [1]],
    );
  });
});
