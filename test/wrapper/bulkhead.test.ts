import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { breaker } from '../../src/wrapper/breaker.js';
import { bulkhead } from '../../src/wrapper/bulkhead.js';
import type { Call, Next } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import type { Ask } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, held, streamed, Wrapping } from '../support/wrapping.js';

const refused = has('resource_exhausted', { executed: false });

describe('bulkhead', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: bulkhead() }));

  it('lets so many in, makes so many wait, and refuses more', async () => {
    const clock = new VirtualClock();
    const limit = bulkhead({ maxConcurrent: 2, maxQueue: 1 });
    const hold = held();
    const next = hold.next.bind(hold);
    const calls = [1, 2, 3].map(() => limit(aCall(clock), next));
    await assert.rejects(limit(aCall(clock), next), refused);
    assert.deepEqual(limit.stats(), { running: 2, waiting: 1, refused: 1 });
    hold.release();
    await calls[0];
    await clock.advance(0);
    assert.equal(hold.begun, 3);
    hold.fail(new Error('no'));
    hold.release();
    await assert.rejects(calls[1] ?? Promise.resolve());
    await calls[2];
    assert.deepEqual(limit.stats(), { running: 0, waiting: 0, refused: 1 });
  });

  it('lets go of one that is cancelled while it waits', async () => {
    const clock = new VirtualClock();
    const limit = bulkhead({ maxConcurrent: 1, maxQueue: 1 });
    const hold = held();
    const next = hold.next.bind(hold);
    const first = limit(aCall(clock), next);
    const waiting = aCall(clock);
    const second = limit(waiting, next);
    waiting.context.cancel(new OctavoError('cancelled', 'enough'));
    await assert.rejects(second, has('cancelled'));
    assert.deepEqual(limit.stats(), { running: 1, waiting: 0, refused: 0 });
    hold.release();
    await first;
    assert.equal(limit.stats().running, 0);
  });

  it('has a stream keep its place until its end, whichever it is', async () => {
    const clock = new VirtualClock();
    const limit = bulkhead({ maxConcurrent: 1 });
    const open = async (): Promise<AsyncIterator<unknown>> => {
      const { body } = await limit(aCall(clock, { kind: 'server' }), streamed(1, new Error('broken')));
      return (body as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    };
    const first = await open();
    assert.equal(limit.stats().running, 1);
    await first.next();
    await assert.rejects(open(), refused);
    await assert.rejects(first.next());
    assert.equal(limit.stats().running, 0);
    const second = await open();
    await second.return?.();
    assert.equal(limit.stats().running, 0);
    const third = aCall(clock, { kind: 'server' });
    await limit(third, streamed(1));
    third.context.cancel(new OctavoError('cancelled', 'nobody reads'));
    assert.equal(limit.stats().running, 0);
  });

  it('has a stream that breaks off give its place back, though nobody reads it', async () => {
    const limit = bulkhead({ maxConcurrent: 1 });
    const guard = breaker({ failures: 1 });
    await using app = await Wrapping.start({ client: { wrappers: [limit, guard] } });
    async function* breaking(): AsyncIterable<Ask> {
      yield { text: 'one', count: 1 };
      throw new OctavoError('unavailable', 'the source is gone');
    }
    const { client } = app.service;
    const request = { service: 'probe', endpoint: 'Probe.Chat', kind: 'bidi' } as const;
    const stream = client.stream({ ...request, body: breaking(), contentType: 'application/json' });
    while (!stream.context.ended) await new Promise(setImmediate);
    assert.equal(limit.stats().running, 0);
    // It has failed, for whoever counts that.
    assert.equal(guard.states().get('probe'), 'open');
  });

  it('counts right whatever comes in which order', async () => {
    const clock = new VirtualClock();
    const coin = (sides: number): number => Math.floor(Math.random() * sides);
    const limit = bulkhead({ maxConcurrent: 3, maxQueue: 4 });
    const running: { call: Call; done: (how: number) => void }[] = [];
    const waiting: Call[] = [];
    const calls: Promise<unknown>[] = [];
    for (let turn = 0; turn < 3_000; turn++) {
      if (coin(2) === 0) {
        const call = aCall(clock, { kind: coin(3) === 0 ? 'bidi' : 'unary' });
        waiting.push(call);
        const next: Next = () =>
          new Promise((resolve, reject) => {
            running.push({
              call,
              done: (how) => (how === 0 ? reject(new Error('no')) : resolve({ body: 1 })),
            });
          });
        calls.push(limit(call, next).catch(() => {}));
      } else if (coin(4) === 0)
        waiting[coin(waiting.length)]?.context.cancel(new OctavoError('cancelled', 'no'));
      else running.splice(coin(running.length), 1)[0]?.done(coin(2));
      await Promise.resolve();
      assert.ok(running.length <= 3 && limit.stats().running <= 3 && limit.stats().waiting <= 4);
    }
    for (let turn = 0; turn < 10; turn++) {
      for (const { done } of running.splice(0)) done(1);
      await clock.advance(0);
    }
    await Promise.all(calls);
    assert.deepEqual({ ...limit.stats(), refused: 0 }, { running: 0, waiting: 0, refused: 0 });
  });

  it('gives each name places of its own, and forgets who is gone', async () => {
    const clock = new VirtualClock();
    const limit = bulkhead({ maxConcurrent: 1, by: 'peer' });
    const hold = held();
    const next = hold.next.bind(hold);
    const calls = [limit(aCall(clock, {}, '10.0.0.1:5'), next), limit(aCall(clock, {}, '10.0.0.2:5'), next)];
    await assert.rejects(limit(aCall(clock, {}, '10.0.0.1:6'), next), refused);
    hold.release();
    hold.release();
    await Promise.all(calls);
    assert.equal(limit.stats().running, 0);
  });

  it('refuses for a server what then goes to nobody twice', async () => {
    const limit = bulkhead({ maxConcurrent: 1 });
    await using app = await Wrapping.start({ server: { wrappers: [limit] }, client: { retries: 0 } });
    const first = app.client.wait({});
    const release = await app.probe.waiting.next();
    // The caller is told that the request was not executed.
    await assert.rejects(app.client.echo({}), refused);
    release();
    await first;
    assert.equal((await app.client.echo({ text: 'x' })).text, 'x');
    assert.equal(app.probe.calls, 1);
  });
});
