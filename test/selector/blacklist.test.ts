import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { BlacklistSelector, blacklist, type BlacklistSelectorOptions } from '../../src/selector/blacklist.js';
import { greeter, nodeOf, selecting, tally } from '../support/selecting.js';

const BROKEN = new OctavoError('internal', 'broken');
const [A, B, C] = [nodeOf('a'), nodeOf('b'), nodeOf('c')];

async function three(options: BlacklistSelectorOptions = {}) {
  const parts = selecting();
  await parts.registry.register(greeter([A, B, C]));
  const selector = new BlacklistSelector(options, parts);
  const fail = (node: typeof A, times = 1, error = BROKEN): void => {
    for (let n = 0; n < times; n++) selector.mark('greeter', node, error);
  };
  const seen = async (): Promise<string[]> => {
    // Nothing is marked, as a success would take a ban away.
    const ids = new Set<string>();
    for (let n = 0; n < 100; n++) ids.add((await selector.select('greeter'))().id);
    return [...ids].sort();
  };
  return { ...parts, selector, fail, seen };
}

describe('BlacklistSelector, as go-micro’s', () => {
  it('leaves out a node after three errors in a row, not after two', async () => {
    const { fail, seen } = await three();
    fail(A, 2);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
    fail(A, 2);
    assert.deepEqual(await seen(), ['b', 'c']);
  });

  it('counts anew after a success', async () => {
    const { selector, fail, seen } = await three();
    fail(A, 2);
    selector.mark('greeter', A);
    fail(A, 2);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
    fail(A);
    assert.deepEqual(await seen(), ['b', 'c']);
    selector.mark('greeter', A);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
  });

  it('has nobody where all are banned, and says so', async () => {
    const { selector, fail, seen } = await three();
    for (const node of [A, B, C]) fail(node, 3);
    await assert.rejects(
      async () => selector.select('greeter'),
      (error) =>
        error instanceof OctavoError &&
        error.code === 'unavailable' &&
        error.executed === false &&
        /"greeter".*"memory".*3.*banned/.test(error.message),
    );
    selector.reset('greeter');
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
  });

  it('bans within a call that has begun, too', async () => {
    const { selector, fail } = await three();
    const next = await selector.select('greeter');
    for (const node of [A, B]) fail(node, 3);
    for (let n = 0; n < 20; n++) assert.equal(next().id, 'c');
    fail(C, 3);
    assert.throws(() => next(), /banned/);
  });

  it('lets a node back in 30 s after its last error, to the millisecond', async () => {
    const { clock, fail, seen } = await three();
    fail(A, 3);
    await clock.advance(20_000);
    fail(A);
    await clock.advance(29_999);
    assert.deepEqual(await seen(), ['b', 'c']);
    await clock.advance(1);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
    fail(A, 2);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
  });

  it('forgets errors that are too old', async () => {
    const { clock, fail, seen } = await three();
    fail(A, 2);
    await clock.advance(30_000);
    fail(A);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
  });
});

describe('BlacklistSelector', () => {
  it('does not hold against a node what is the request’s fault', async () => {
    const { fail, seen } = await three();
    for (const code of [
      'invalid_argument',
      'not_found',
      'unimplemented',
      'permission_denied',
      'cancelled',
    ] as const)
      fail(A, 5, new OctavoError(code, 'no'));
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
    for (const code of ['unavailable', 'deadline_exceeded', 'unknown'] as const)
      fail(A, 1, new OctavoError(code, 'no'));
    assert.deepEqual(await seen(), ['b', 'c']);
  });

  it('takes its numbers, and which errors count', async () => {
    const { clock, fail, seen } = await three({
      count: 1,
      ttlMs: 100,
      counts: ({ code }) => code === 'not_found',
    });
    fail(A, 5);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
    fail(A, 1, new OctavoError('not_found', 'no'));
    assert.deepEqual(await seen(), ['b', 'c']);
    await clock.advance(100);
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
  });

  it('bans for one service, and forgets at its stop', async () => {
    const { selector, registry, fail, seen } = await three();
    await registry.register({ ...greeter([A]), name: 'other' });
    fail(A, 3);
    assert.equal((await selector.select('other'))().id, 'a');
    selector.stop();
    assert.deepEqual(await seen(), ['a', 'b', 'c']);
  });

  it('chooses by the strategy that it is given', async () => {
    const parts = selecting();
    await parts.registry.register(greeter([A, B]));
    const selector = new BlacklistSelector({ strategy: (_, [first]) => first ?? assert.fail() }, parts);
    assert.deepEqual(await tally(selector, 5), { a: 5 });
  });

  it('is made by its provider', () => {
    const parts = selecting();
    // The two tokens that it asks for.
    const made = blacklist()((token) => (token.name === 'Clock' ? parts.clock : parts.registry) as never);
    assert.ok(made instanceof BlacklistSelector);
  });
});
