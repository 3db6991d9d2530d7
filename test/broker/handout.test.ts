import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import type { Delivery, DeliveryHandler, SubscribeOptions } from '../../src/broker/broker.js';
import { backoffMs, Handout, type Incoming } from '../../src/broker/handout.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

/** What a backend is told of its events. */
class Backend {
  readonly told: string[] = [];
  readonly logger = new TestLogger();
  readonly clock = new VirtualClock();
  answer: Promise<void> | undefined;

  handout(
    handler: DeliveryHandler,
    {
      concurrency = 1,
      prefetch = 3,
      ...options
    }: SubscribeOptions & { concurrency?: number; prefetch?: number } = {},
  ): Handout {
    return new Handout('topic', handler, options, { concurrency, prefetch }, this);
  }

  event(name: string, attempt = 1): Incoming {
    return {
      message: { header: new Metadata(), body: Buffer.from(name) },
      attempt,
      ack: () => {
        this.told.push(`ack ${name}`);
        return this.answer;
      },
      nack: (delayMs) => void this.told.push(`nack ${name} ${delayMs}`),
    };
  }
}

/** A handler whose events wait until they are let go. */
class Gate {
  readonly in: string[] = [];
  readonly #open: (() => void)[] = [];

  readonly handler = async ({ message }: Delivery): Promise<void> => {
    this.in.push(Buffer.from(message.body).toString());
    await new Promise<void>((resolve) => this.#open.push(resolve));
  };

  async next(): Promise<void> {
    this.#open.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('what is handed out', () => {
  it('is in order, so many at once, and so many are held', async () => {
    const backend = new Backend();
    const gate = new Gate();
    const handout = backend.handout(gate.handler, { concurrency: 2 });
    assert.equal(handout.free, 3);
    for (const each of ['a', 'b', 'c']) assert.equal(handout.offer(backend.event(each)), true);
    assert.equal(handout.offer(backend.event('d')), false);
    assert.equal(handout.free, 0);
    assert.deepEqual(gate.in, ['a', 'b']);
    await gate.next();
    assert.deepEqual(gate.in, ['a', 'b', 'c']);
    assert.deepEqual(backend.told, ['ack a']);
    assert.equal(handout.free, 1);
    await gate.next();
    await gate.next();
    await handout.end();
    assert.deepEqual(backend.told, ['ack a', 'ack b', 'ack c']);
  });

  it('is one at a time of each key, and what is of another key or of none does not wait for it', async () => {
    const backend = new Backend();
    const gate = new Gate();
    const handout = backend.handout(gate.handler, { concurrency: 3, prefetch: 6 });
    for (const [name, key] of [['a1', 'a'], ['a2', 'a'], ['b1', 'b'], ['a3', 'a'], ['c']] as const)
      handout.offer({ ...backend.event(name), key });
    assert.deepEqual(gate.in, ['a1', 'b1', 'c']);
    await gate.next();
    assert.deepEqual(gate.in, ['a1', 'b1', 'c', 'a2']);
    for (let n = 0; n < 4; n++) await gate.next();
    assert.deepEqual(gate.in, ['a1', 'b1', 'c', 'a2', 'a3']);
    await handout.end();
  });

  it('is held until the backend was told, and whoever waits for room is woken', async () => {
    const backend = new Backend();
    let answer = (): void => {};
    backend.answer = new Promise((resolve) => (answer = resolve));
    const handout = backend.handout(() => {}, { prefetch: 1 });
    handout.offer(backend.event('a'));
    let roomy = false;
    const waiting = handout.room().then(() => (roomy = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(roomy, false);
    answer();
    await waiting;
    assert.equal(handout.free, 1);
  });

  it('is held where nobody settles it, and given back at the end', async () => {
    const backend = new Backend();
    const handout = backend.handout(() => {}, { autoAck: false, prefetch: 1 });
    handout.offer(backend.event('a'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(handout.free, 0);
    const waiting = handout.room();
    await handout.end();
    await waiting;
    assert.deepEqual(backend.told, ['nack a 0']);
    assert.equal(handout.offer(backend.event('b')), false);
  });

  it('comes again after a throw, later each time', async () => {
    const backend = new Backend();
    const handout = backend.handout(() => {
      throw new Error('no');
    });
    for (const attempt of [1, 2, 7, 8, 100]) {
      handout.offer(backend.event(`${attempt}`, attempt));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(backend.told, [
      'nack 1 100',
      'nack 2 200',
      'nack 7 6400',
      'nack 8 10000',
      'nack 100 10000',
    ]);
    assert.equal(backoffMs(10_000), 10_000);
    assert.equal(backend.logger.records.length, 5);
  });

  it('is settled once', async () => {
    const backend = new Backend();
    const handout = backend.handout((delivery) => {
      delivery.nack({ delayMs: 5 });
      delivery.ack();
      delivery.nack();
      throw new Error('after the word');
    });
    handout.offer(backend.event('a'));
    await handout.end();
    assert.deepEqual(backend.told, ['nack a 5']);
  });

  it('is not lost to the handout when the backend cannot be told', async () => {
    const backend = new Backend();
    backend.answer = Promise.reject(new Error('the connection broke'));
    const handout = backend.handout(() => {}, { prefetch: 1 });
    handout.offer(backend.event('a'));
    await handout.room();
    assert.equal(handout.free, 1);
    assert.match(backend.logger.records[0]?.message ?? '', /may come again/);
  });

  it('is given back where it waits when the end comes, at once, and what runs is waited for', async () => {
    const backend = new Backend();
    const gate = new Gate();
    const handout = backend.handout(gate.handler);
    for (const each of ['a', 'b', 'c']) handout.offer(backend.event(each));
    let ended = false;
    const ending = handout.end().then(() => (ended = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(backend.told, ['nack b 0', 'nack c 0']);
    assert.equal(ended, false);
    await gate.next();
    await ending;
    assert.deepEqual(backend.told.at(-1), 'ack a');
    assert.deepEqual(gate.in, ['a']);
  });

  it('is not waited for without end', async () => {
    const backend = new Backend();
    const gate = new Gate();
    const handout = backend.handout(gate.handler);
    handout.offer(backend.event('a'));
    const ending = handout.endWithin(1_000);
    await backend.clock.advance(1_000);
    await ending;
    assert.match(backend.logger.records[0]?.message ?? '', /did not end in time/);
    await gate.next();
    assert.deepEqual(backend.told, ['ack a']);
  });

  it('runs where its subscriber subscribed, and not where it came from', async () => {
    const place = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const backend = new Backend();
    const handout = place.run('subscriber', () => backend.handout(() => void seen.push(place.getStore())));
    place.run('publisher', () => handout.offer(backend.event('a')));
    await handout.end();
    assert.deepEqual(seen, ['subscriber']);
  });
});
