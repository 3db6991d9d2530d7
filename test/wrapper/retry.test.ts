import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { dedupe } from '../../src/wrapper/dedupe.js';
import { retry } from '../../src/wrapper/retry.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, Wrapping } from '../support/wrapping.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

const soon = { backoff: () => 1 };

/** Moves time on until a call is through. */
async function through<T>(clock: VirtualClock, call: Promise<T>): Promise<T> {
  let over = false;
  const done = call.finally(() => (over = true));
  done.catch(() => {});
  while (!over) await clock.advance(1);
  return done;
}

describe('retry', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: retry(),
    side: 'client',
  }));

  it('sets how often the client’s loop tries', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [retry({ retries: 4, ...soon })] } });
    app.probe.failures = 4;
    assert.equal((await through(app.clock, app.client.again({}))).count, 5);
  });

  it('twice is the inner one, and never the product', async () => {
    const wrappers = [retry({ retries: 7, ...soon }), retry({ retries: 2, ...soon })];
    await using app = await Wrapping.start({ client: { wrappers } });
    app.probe.failures = 100;
    await assert.rejects(through(app.clock, app.client.again({})), has('unavailable'));
    assert.equal(app.probe.calls, 3);
  });

  it('gives way to what the one call says', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [retry({ retries: 7, ...soon })] } });
    app.probe.failures = 100;
    await assert.rejects(through(app.clock, app.client.again({}, { retries: 1 })), has('unavailable'));
    assert.equal(app.probe.calls, 2);
  });

  it('does not try again what may have been executed and is not idempotent', async () => {
    const wrappers = [retry({ retries: 7, codes: ['unavailable'], ...soon })];
    await using app = await Wrapping.start({ client: { wrappers } });
    app.probe.failures = 100;
    await assert.rejects(through(app.clock, app.client.once({})), has('unavailable'));
    assert.equal(app.probe.calls, 1);
  });

  it('tries again only after the codes that are listed', async () => {
    const wrappers = [retry({ retries: 3, codes: ['aborted'], ...soon })];
    await using app = await Wrapping.start({ client: { wrappers } });
    app.probe.failures = 100;
    await assert.rejects(through(app.clock, app.client.again({})), has('unavailable'));
    assert.equal(app.probe.calls, 1);
  });

  it('keeps to the client’s budget', async () => {
    const client = { wrappers: [retry({ retries: 9, ...soon })], retryBudget: { minimum: 2, ratio: 0 } };
    await using app = await Wrapping.start({ client });
    app.probe.failures = 100;
    await assert.rejects(through(app.clock, app.client.again({})), /budget/);
    assert.equal(app.probe.calls, 3);
  });

  it('stands around calls of clients alone, and says so where it is attached', async () => {
    await assert.rejects(Wrapping.start({ client: { callWrappers: [retry()] } }), /not "callWrappers"/);
    await assert.rejects(Wrapping.start({ server: { wrappers: [retry()] } }), /which has the loop/);
    await assert.rejects(Wrapping.start({ server: { subscriberWrappers: [retry()] } }), /use @Subscribe/);
    await using app = await Wrapping.start({});
    await assert.rejects(
      app.client.echo({}, { wrappers: [dedupe()] }),
      has('failed_precondition', {
        message:
          'Probe.Echo: dedupe stands around subscribers, whose events have ids: put it on their methods',
      }),
    );
    await assert.rejects(
      retry()(aCall(new VirtualClock()), async () => ({ body: 1 })),
      has('failed_precondition'),
    );
  });
});
