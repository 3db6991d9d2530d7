import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Duration } from '../../src/schema/duration.js';

describe('Duration', () => {
  const cases: readonly [ms: number, seconds: bigint, nanos: number][] = [
    [0, 0n, 0],
    [1, 0n, 1_000_000],
    [1_500, 1n, 500_000_000],
    [-1_500, -1n, -500_000_000],
    [-0.5, 0n, -500_000],
    [0.000_001, 0n, 1],
    [999.999_999_9, 1n, 0],
    [-999.999_999_9, -1n, 0],
    [86_400_000, 86_400n, 0],
  ];
  for (const [ms, seconds, nanos] of cases)
    it(`of ${ms} ms has ${seconds} s and ${nanos} ns`, () =>
      assert.deepEqual(Duration.ofMs(ms), new Duration(seconds, nanos)));

  it('is zero without arguments', () => assert.equal(new Duration().toMs(), 0));

  it('gives its milliseconds with a fraction', () => {
    assert.equal(new Duration(1n, 500_000_000).toMs(), 1_500);
    assert.equal(new Duration(-1n, -500_000).toMs(), -1_000.5);
  });

  it('of what is no finite number is refused', () => {
    assert.throws(() => Duration.ofMs(Number.NaN), /a duration of NaN ms: give a finite number/);
    assert.throws(() => Duration.ofMs(Number.POSITIVE_INFINITY), RangeError);
  });
});
