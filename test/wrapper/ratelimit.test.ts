import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { OctavoError } from '../../src/core/error.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { ratelimit } from '../../src/wrapper/ratelimit.js';
import type { Call, Next } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, Wrapping } from '../support/wrapping.js';

const fine: Next = async () => ({ body: 'fine' });
const refused = has('resource_exhausted', { executed: false });
const after = (ms: number) => (reason: unknown) =>
  refused(reason) && (reason as OctavoError).retryAfterMs === ms;

describe('ratelimit', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: ratelimit({ perSecond: 100 }),
  }));

  it('lets a burst in, then so many a second, and says when to come again', async () => {
    const clock = new VirtualClock();
    const limit = ratelimit({ perSecond: 4, burst: 2 });
    const go = (): Promise<unknown> => limit(aCall(clock), fine);
    await go();
    await go();
    await assert.rejects(go(), after(250));
    await clock.advance(100);
    await assert.rejects(go(), after(150));
    await clock.advance(150);
    await go();
    await assert.rejects(go(), after(250));
    await clock.advance(60_000);
    await go();
    await go();
    await assert.rejects(go(), refused);
    assert.equal(limit.stats().refused, 4);
  });

  it('counts a host by all its ports, a principal by its name, and an endpoint by its own', async () => {
    const clock = new VirtualClock();
    const one = (by: 'peer' | 'principal' | 'endpoint') => {
      const limit = ratelimit({ perSecond: 1, by });
      return (call: Call): Promise<unknown> => limit(call, fine);
    };
    const peer = one('peer');
    await peer(aCall(clock, {}, '10.0.0.1:5'));
    await assert.rejects(peer(aCall(clock, {}, '10.0.0.1:6')), refused);
    await peer(aCall(clock, {}, '[::1]:5'));
    await assert.rejects(peer(aCall(clock, {}, '[::1]:6')), refused);
    const principal = one('principal');
    const as = (subject: string): Call => {
      const call = aCall(clock);
      call.context.principal = { subject };
      return call;
    };
    await principal(as('ada'));
    await principal(as('bob'));
    await principal(aCall(clock));
    await assert.rejects(principal(as('ada')), refused);
    await assert.rejects(principal(aCall(clock)), refused);
    const endpoint = one('endpoint');
    await endpoint(aCall(clock, { endpoint: 'A.B' }));
    await endpoint(aCall(clock, { endpoint: 'A.C' }));
    await assert.rejects(endpoint(aCall(clock, { endpoint: 'A.B' })), refused);
  });

  it('knows so many names', async () => {
    const clock = new VirtualClock();
    const limit = ratelimit({ perSecond: 1, maxNames: 3 });
    for (let n = 0; n < 100; n++) await limit(aCall(clock, {}, `10.0.0.${n}:5`), fine);
    assert.equal(limit.stats().names, 3);
  });

  it('refuses before a handler runs, and tells the caller how long to wait', async () => {
    await using app = await Wrapping.start({
      server: { wrappers: [ratelimit({ perSecond: 2, burst: 1, by: 'endpoint' })] },
      client: { retries: 0 },
    });
    await app.client.echo({});
    await assert.rejects(app.client.echo({}), after(500));
    assert.equal(app.probe.calls, 1);
  });

  it('has a client’s loop wait for as long as it is told', async () => {
    await using app = await Wrapping.start({
      server: { wrappers: [ratelimit({ perSecond: 2, burst: 1, by: 'endpoint' })] },
      client: { backoff: () => 1 },
    });
    await app.client.echo({});
    // Not idempotent, but known not to have been executed.
    const second = app.client.echo({ text: 'again' });
    await app.clock.advance(499);
    assert.equal(app.probe.calls, 1);
    await app.clock.advance(1);
    assert.equal((await second).text, 'again');
  });

  it('does not take a rate of nothing', () => {
    for (const perSecond of [0, -1, NaN])
      assert.throws(() => ratelimit({ perSecond }), has('invalid_argument'));
    assert.throws(() => ratelimit({ perSecond: 1, burst: 0.5 }), has('invalid_argument'));
  });
});
