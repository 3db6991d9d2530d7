import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { EventContext } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { dedupe, MemoryDedupeStore, type DedupeStore } from '../../src/wrapper/dedupe.js';
import type { Call, Next } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { Ask } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, held, Wrapping } from '../support/wrapping.js';

function anEvent(
  clock: VirtualClock,
  id: string,
  subscriber = 'Probe.OnThing',
  logger = new TestLogger(),
): Call {
  const context = new EventContext({
    service: 'probe',
    endpoint: 'things',
    clock,
    logger,
    metadata: new Metadata(),
    peer: { address: '', octavo: false },
    id,
    acknowledge() {},
    refuse() {},
  });
  return aCall(clock, { kind: 'event', endpoint: 'things', context, subscriber });
}

function counting(): { next: Next; count: number } {
  return {
    count: 0,
    async next() {
      this.count++;
      return { body: undefined };
    },
  };
}

describe('dedupe', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: dedupe() }));

  it('handles an event once, each subscriber for itself, until it is forgotten', async () => {
    const clock = new VirtualClock();
    const subject = dedupe({ ttlMs: 1_000 });
    const handler = counting();
    const go = (id: string, subscriber?: string): Promise<unknown> =>
      subject(anEvent(clock, id, subscriber), handler.next.bind(handler));
    await go('1');
    await go('1');
    assert.equal(handler.count, 1);
    await go('2');
    await go('1', 'Probe.Other');
    assert.equal(handler.count, 3);
    await clock.advance(1_000);
    await go('1');
    assert.equal(handler.count, 4);
    await go('');
    await go('');
    assert.equal(handler.count, 6);
  });

  it('lets one that failed come again, and refuses one that is handled right now', async () => {
    const clock = new VirtualClock();
    const subject = dedupe({ leaseMs: 500 });
    const hold = held();
    const go = (): Promise<unknown> => subject(anEvent(clock, '1'), hold.next.bind(hold));
    const first = go();
    await clock.advance(0);
    await assert.rejects(go(), has('aborted', { executed: false, retryable: true }));
    hold.fail(new OctavoError('unavailable', 'no'));
    await assert.rejects(first, has('unavailable'));
    const second = go();
    await clock.advance(0);
    hold.release();
    await second;
    await go();
    assert.equal(hold.begun, 2);
  });

  it('lets another take over what somebody never ended', async () => {
    const clock = new VirtualClock();
    const subject = dedupe({ leaseMs: 500 });
    void subject(anEvent(clock, '1'), () => new Promise(() => {}));
    await clock.advance(500);
    const handler = counting();
    await subject(anEvent(clock, '1'), handler.next.bind(handler));
    assert.equal(handler.count, 1);
  });

  it('fails an event that the store cannot claim, and none that it cannot remember', async () => {
    const clock = new VirtualClock();
    const logs = new TestLogger();
    const down = async (): Promise<never> => {
      throw new OctavoError('unavailable', 'the store is down');
    };
    const handler = counting();
    const next = handler.next.bind(handler);
    const store: DedupeStore = { claim: down, done: down, release: down };
    await assert.rejects(dedupe({ store })(anEvent(clock, '1'), next), has('unavailable'));
    assert.equal(handler.count, 0);
    await dedupe({ store: { ...store, claim: () => 'claimed' } })(anEvent(clock, '1', 'a', logs), next);
    assert.deepEqual([handler.count, logs.records.length], [1, 1]);
  });

  it('remembers so many events', () => {
    const clock = new VirtualClock();
    const store = new MemoryDedupeStore(2);
    for (const key of ['a', 'b', 'c']) store.claim(key, 1_000, clock);
    assert.deepEqual(
      [store.claim('c', 1_000, clock), store.claim('a', 1_000, clock)],
      ['running', 'claimed'],
    );
  });

  it('of a service has each event once, also where its publisher sends it twice', async () => {
    const subject = dedupe({ key: ({ request }) => (request as Ask).text });
    await using app = await Wrapping.start({ server: { subscriberWrappers: [subject] } });
    for (const text of ['a', 'a', 'b'])
      await app.service.client.publish({ topic: 'things', body: { text }, type: Ask });
    await app.clock.advance(10);
    assert.equal((await app.probe.events.next()).text, 'a');
    assert.equal((await app.probe.events.next()).text, 'b');
  });

  it('stands around subscribers that are acknowledged by their return, and says so', async () => {
    await assert.rejects(Wrapping.start({ server: { wrappers: [dedupe()] } }), /put it on their methods/);
    await assert.rejects(Wrapping.start({ client: { wrappers: [dedupe()] } }), has('failed_precondition'));
    await using app = await Wrapping.start({ server: { subscriberWrappers: [dedupe()] } });
    await assert.rejects(
      app.service.subscribe('others', Ask, () => {}, { ack: 'manual' }),
      /ack: 'manual'/,
    );
  });
});
