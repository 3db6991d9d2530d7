import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError, type Code } from '../../src/core/error.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { breaker, type BreakerOptions } from '../../src/wrapper/breaker.js';
import type { Call, Next } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, held, streamed, Wrapping } from '../support/wrapping.js';

const open = has('unavailable', { executed: false });
const fine: Next = async () => ({ body: 'fine' });

function failing(code: Code): Next {
  return () => Promise.reject(new OctavoError(code, 'no'));
}

function rig(options: BreakerOptions) {
  const clock = new VirtualClock();
  const subject = breaker(options);
  const go = (next: Next, more: Partial<Call> = {}) => subject(aCall(clock, more), next);
  const fail = async (code: Code = 'unavailable', times = 1): Promise<void> => {
    for (let n = 0; n < times; n++) await assert.rejects(go(failing(code)), has(code));
  };
  const state = (): string | undefined => subject.states().get('probe');
  return { clock, subject, go, fail, state };
}

describe('breaker', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: breaker() }));

  it('opens after failures in a row, and says when to come again', async () => {
    const { clock, go, fail, state } = rig({ failures: 3, openMs: 1_000 });
    await fail('unavailable', 2);
    await go(fine);
    await fail('internal', 3);
    assert.equal(state(), 'open');
    await clock.advance(400);
    await assert.rejects(go(fine), (reason) => open(reason) && (reason as OctavoError).retryAfterMs === 600);
  });

  it('lets one call through after a while, and closes or opens again by how that went', async () => {
    const { clock, go, fail, state } = rig({ failures: 1, openMs: 1_000 });
    await fail();
    await clock.advance(1_000);
    const hold = held();
    const probe = go(hold.next.bind(hold));
    assert.equal(state(), 'half-open');
    await assert.rejects(go(fine), open);
    hold.fail(new OctavoError('unavailable', 'still'));
    await assert.rejects(probe);
    assert.equal(state(), 'open');
    await assert.rejects(go(fine), open);
    await clock.advance(1_000);
    await go(fine);
    assert.equal(state(), 'closed');
    await go(fine);
  });

  it('sends another after a probe that is never heard of, or was given up', async () => {
    const { clock, go, fail, state } = rig({ failures: 1, openMs: 1_000 });
    await fail();
    await clock.advance(1_000);
    void go(() => new Promise(() => {}));
    await clock.advance(999);
    await assert.rejects(go(fine), open);
    await clock.advance(1);
    await fail('cancelled');
    assert.equal(state(), 'open');
    await go(fine);
    assert.equal(state(), 'closed');
  });

  it('counts the listed codes as failures, others as successes, and cancelled calls not at all', async () => {
    const { go, fail, state } = rig({ failures: 2 });
    await fail('unavailable');
    await fail('not_found');
    await fail('unavailable');
    await fail('cancelled');
    const full = new OctavoError('resource_exhausted', 'full', { executed: false });
    await assert.rejects(go(() => Promise.reject(full)));
    assert.equal(state(), 'closed');
    await fail('deadline_exceeded');
    assert.equal(state(), 'open');
    const other = rig({ failures: 1, codes: ['not_found'] });
    await other.fail('unavailable', 3);
    await other.fail('not_found');
    assert.equal(other.state(), 'open');
  });

  it('opens by the share of a window, which must have enough calls', async () => {
    const { clock, go, fail, state } = rig({ ratio: 0.5, minimum: 4, windowMs: 1_000 });
    await fail('unavailable', 3);
    await clock.advance(1_000);
    await go(fine);
    await go(fine);
    await fail();
    assert.equal(state(), 'closed');
    await fail();
    assert.equal(state(), 'open');
  });

  it('takes a stream’s end for its outcome, and an item for that of a probe', async () => {
    const { clock, go, state } = rig({ failures: 1, openMs: 10 });
    const read = async (next: Next): Promise<void> => {
      const { body } = await go(next, { kind: 'server' });
      for await (const item of body as AsyncIterable<unknown>) void item;
    };
    await assert.rejects(read(streamed(1, new OctavoError('unavailable', 'broke off'))));
    assert.equal(state(), 'open');
    await clock.advance(10);
    const { body } = await go(streamed(1, 2), { kind: 'server' });
    await (body as AsyncIterable<unknown>)[Symbol.asyncIterator]().next();
    assert.equal(state(), 'closed');
  });

  it('knows so many names', async () => {
    const { subject, go } = rig({ by: 'service', maxNames: 2 });
    for (const service of ['a', 'b', 'c']) await go(fine, { service });
    assert.deepEqual([...subject.states().keys()], ['b', 'c']);
  });

  it('around attempts keeps calls from one node, and says so', async () => {
    const seen: string[] = [];
    const subject = breaker({
      by: 'node',
      failures: 2,
      onChange: (name, state) => seen.push(`${name} ${state}`),
    });
    await using app = await Wrapping.start({ client: { callWrappers: [subject], retries: 0 } });
    app.probe.failures = 2;
    await assert.rejects(app.client.again({}), has('unavailable'));
    await assert.rejects(app.client.again({}), has('unavailable'));
    await assert.rejects(app.client.again({}), open);
    assert.equal(app.probe.calls, 2);
    assert.equal(seen.length, 1);
    assert.match(seen[0] ?? '', /^probe .+ open$/);
    await app.clock.advance(10_000);
    assert.equal((await app.client.again({})).count, 3);
    assert.ok(
      app.logs.records.some(({ message, level }) => message === 'a breaker changed' && level === 'warn'),
    );
  });
});
