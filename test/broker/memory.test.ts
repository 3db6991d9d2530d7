import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Delivery, DeliveryHandler } from '../../src/broker/broker.js';
import { MemoryBroker, MemoryBus, type MemoryBrokerOptions } from '../../src/broker/memory.js';
import { OctavoError } from '../../src/core/error.js';
import type { Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

function message(body: string): Message {
  return { header: new Metadata(), body: Buffer.from(body) };
}

function textOf({ message: { body } }: Delivery): string {
  return Buffer.from(body).toString();
}

interface Subject {
  readonly broker: MemoryBroker;
  readonly clock: VirtualClock;
  readonly logger: TestLogger;
}

async function withBroker(
  run: (subject: Subject) => Promise<void>,
  options: MemoryBrokerOptions = {},
): Promise<void> {
  const clock = new VirtualClock();
  const logger = new TestLogger();
  const broker = new MemoryBroker(options, { clock, logger });
  broker.start();
  await run({ broker, clock, logger });
  await broker.stop();
}

/** A handler whose events stay in hand until they are let go, by their text. */
class Hands {
  readonly begun: string[] = [];
  readonly #held = new Map<string, () => void>();

  readonly handler: DeliveryHandler = async (delivery) => {
    const text = textOf(delivery);
    this.begun.push(text);
    await new Promise<void>((resolve) => this.#held.set(text, resolve));
  };

  letGo(...texts: string[]): void {
    for (const text of texts) this.#held.get(text)?.();
  }
}

describe('the memory broker', () => {
  it('waits longer each time before a refused event comes again', () =>
    withBroker(async ({ broker, clock }) => {
      const start = clock.now();
      const times: number[] = [];
      await broker.subscribe('topic', ({ attempt }) => {
        times.push(clock.now() - start);
        assert.equal(attempt, times.length);
        throw new Error('never');
      });
      await broker.publish('topic', message('x'));
      await clock.advance(50_000);
      assert.deepEqual(times, [0, 100, 300, 700, 1_500, 3_100, 6_300, 12_700, 22_700, 32_700, 42_700]);
    }));

  it('gives the events of a queue to its members in turn', () =>
    withBroker(async ({ broker, clock }) => {
      const got: string[] = [];
      for (const name of ['a', 'b', 'c'])
        await broker.subscribe('topic', (delivery) => void got.push(name + textOf(delivery)), { queue: 'q' });
      for (const each of ['1', '2', '3', '4', '5', '6']) await broker.publish('topic', message(each));
      await clock.advance(0);
      assert.deepEqual(got, ['a1', 'b2', 'c3', 'a4', 'b5', 'c6']);
    }));

  it('gives an event that a leaving member refuses to another of its queue', () =>
    withBroker(async ({ broker, clock }) => {
      const got: string[] = [];
      const leaving = await broker.subscribe(
        'topic',
        async (delivery) => {
          const left = leaving.unsubscribe();
          delivery.nack();
          await left;
        },
        { queue: 'q' },
      );
      await broker.publish('topic', message('x'));
      await broker.subscribe('topic', (it) => void got.push(`${textOf(it)} ${it.attempt}`), { queue: 'q' });
      await clock.advance(100);
      assert.deepEqual(got, ['x 2']);
    }));

  it('has the events of one key in the hands of one member at a time, and lets others pass', () =>
    withBroker(async ({ broker, clock }) => {
      const hands = new Hands();
      for (let n = 0; n < 3; n++) await broker.subscribe('topic', hands.handler, { queue: 'q' });
      for (const each of ['a1', 'a2', 'b1', 'a3'])
        await broker.publish('topic', message(each), { key: each.slice(0, 1) });
      await clock.advance(0);
      assert.deepEqual(hands.begun, ['a1', 'b1']);
      hands.letGo('b1');
      await clock.advance(0);
      assert.deepEqual(hands.begun, ['a1', 'b1']);
      hands.letGo('a1');
      await clock.advance(0);
      assert.deepEqual(hands.begun, ['a1', 'b1', 'a2']);
      hands.letGo('a2');
      await clock.advance(0);
      hands.letGo('a3');
      assert.deepEqual(hands.begun, ['a1', 'b1', 'a2', 'a3']);
    }));

  it('refuses what would be too far behind, or is too large, and counts what was refused', () =>
    withBroker(
      async ({ broker, clock }) => {
        const exhausted = (text: string): Promise<void> =>
          assert.rejects(
            broker.publish('topic', message(text)),
            (error) => error instanceof OctavoError && error.code === 'resource_exhausted',
          );
        await exhausted('x'.repeat(11));
        await broker.subscribe('topic', (delivery) => delivery.nack({ delayMs: 1_000 }), { autoAck: false });
        for (let n = 0; n < 2; n++) await broker.publish('topic', message('x'));
        await exhausted('y');
        await clock.advance(500);
        await exhausted('y');
      },
      { maxQueue: 2, maxMessageBytes: 10 },
    ));

  it('keeps nothing for a queue whose last member left', () =>
    withBroker(async ({ broker, clock }) => {
      const got: string[] = [];
      const last = await broker.subscribe('topic', (delivery) => delivery.nack({ delayMs: 10 }), {
        queue: 'q',
        autoAck: false,
      });
      await broker.publish('topic', message('x'));
      await clock.advance(0);
      await broker.publish('topic', message('y'));
      await last.unsubscribe();
      assert.equal(clock.pending, 0);
      await broker.subscribe('topic', (delivery) => void got.push(textOf(delivery)), { queue: 'q' });
      await clock.advance(1_000);
      assert.deepEqual(got, []);
    }));

  it('waits at its stop for no longer than drainMs, and says whom it left alone', async () => {
    const clock = new VirtualClock();
    const logger = new TestLogger();
    const broker = new MemoryBroker({ drainMs: 500 }, { clock, logger });
    broker.start();
    const hands = new Hands();
    await broker.subscribe('topic', hands.handler);
    await broker.publish('topic', message('x'));
    await clock.advance(0);
    let stopped = 0;
    const stopping = [broker.stop(), broker.stop()].map((each) => each.then(() => stopped++));
    await clock.advance(499);
    assert.equal(stopped, 0);
    await clock.advance(1);
    await Promise.all(stopping);
    assert.match(logger.records[0]?.message ?? '', /did not end in time/);
    hands.letGo('x');
  });

  it('delivers to brokers of one bus, and not in the context of who publishes', async () => {
    const { AsyncLocalStorage } = await import('node:async_hooks');
    const storage = new AsyncLocalStorage<string>();
    const bus = new MemoryBus();
    await withBroker(
      ({ broker: publisher }) =>
        withBroker(
          async ({ broker, clock }) => {
            const seen: unknown[] = [];
            await broker.subscribe('topic', () => void seen.push(storage.getStore()));
            await storage.run('publisher', () => publisher.publish('topic', message('x')));
            await clock.advance(0);
            assert.deepEqual(seen, [undefined]);
          },
          { bus },
        ),
      { bus },
    );
  });
});
