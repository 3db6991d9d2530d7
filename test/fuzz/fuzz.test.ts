import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tryOut } from './campaign.js';
import { targets } from './targets.js';

/** Another one at each run; give it to `npm run fuzz -- --seed` to see the same again. */
const seed = Math.floor(Math.random() * 2 ** 31);
const EACH = { seed, inputs: 2_000, ms: 150 };

describe(`inputs of the seed ${seed}, damaged in many ways`, () => {
  for (const target of targets)
    it(`${target.name} reads or refuses, in time`, async (t) => {
      const { inputs, read, slowestMs, failure } = await tryOut(target, EACH);
      t.diagnostic(`${inputs} inputs, ${read} read, the slowest took ${slowestMs.toFixed(1)} ms`);
      assert.equal(failure, undefined, failure);
      assert.ok(read > 0, 'not one of them was read');
    });
});
