import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Publishes } from '../../src/broker/publishes.js';
import { servedLimits } from '../../src/broker/served.js';
import { OctavoError } from '../../src/core/error.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

const never = (): Promise<never> => new Promise(() => {});

function rejects(promise: Promise<unknown>, code: string, text: RegExp): Promise<void> {
  return assert.rejects(
    promise,
    (reason) => reason instanceof OctavoError && reason.code === code && text.test(reason.message),
  );
}

function made(): { publishes: Publishes; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { publishes: new Publishes('test', { timeoutMs: 1_000, maxPublishes: 2 }, clock), clock };
}

describe('a publish that is under way', () => {
  it('ends with what the backend says', async () => {
    const { publishes } = made();
    await publishes.run('topic', undefined, async () => 'an id');
    const failure = new OctavoError('permission_denied', 'no');
    await assert.rejects(
      publishes.run('topic', undefined, () => Promise.reject(failure)),
      failure,
    );
  });

  it('is an error when the backend says nothing in time, and what comes later harms nobody', async () => {
    const { publishes, clock } = made();
    let fail = (): void => {};
    const late = new Promise((_, reject) => (fail = () => reject(new Error('too late'))));
    const publish = rejects(
      publishes.run('topic', undefined, () => late),
      'deadline_exceeded',
      /the test broker did not confirm an event for "topic" within 1000 ms \(timeoutMs\)/,
    );
    // Shared timers may be a little late.
    await clock.advance(1_020);
    await publish;
    fail();
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('can be given up, before and meanwhile', async () => {
    const { publishes } = made();
    const aborting = new AbortController();
    const publish = rejects(publishes.run('topic', aborting.signal, never), 'cancelled', /aborted/);
    aborting.abort();
    await publish;
    let ran = false;
    const before = publishes.run('topic', aborting.signal, async () => void (ran = true));
    await rejects(before, 'cancelled', /aborted/);
    assert.equal(ran, false);
  });

  it('is one of so many', async () => {
    const { publishes, clock } = made();
    const open = [1, 2].map(() => publishes.run('topic', undefined, never).catch(() => {}));
    await rejects(publishes.run('topic', undefined, never), 'resource_exhausted', /maxPublishes/);
    await clock.advance(1_020);
    await Promise.all(open);
    await publishes.run('topic', undefined, async () => {});
  });

  it('is waited for at the end, and not for ever', async () => {
    const { publishes, clock } = made();
    let confirm = (): void => {};
    const first = publishes.run(
      'topic',
      undefined,
      () => new Promise<void>((resolve) => (confirm = resolve)),
    );
    const second = rejects(publishes.run('topic', undefined, never), 'unavailable', /was stopped/);
    const ending = publishes.endWithin(500);
    confirm();
    await first;
    await clock.advance(500);
    await ending;
    await second;
  });
});

describe('the limits of a broker on a server', () => {
  it('are its options, then its own defaults, then those of all', () => {
    const { timeoutMs, prefetch, concurrency } = servedLimits({ timeoutMs: 1 }, { prefetch: 7 });
    assert.deepEqual({ timeoutMs, prefetch, concurrency }, { timeoutMs: 1, prefetch: 7, concurrency: 1 });
    assert.equal(servedLimits({ concurrency: 100 }).prefetch, 100);
  });

  it('make sense', () => {
    for (const options of [{ concurrency: 0 }, { prefetch: 1.5 }, { concurrency: 5, prefetch: 4 }])
      assert.throws(
        () => servedLimits(options),
        (reason) => reason instanceof OctavoError && reason.code === 'failed_precondition',
      );
  });
});
