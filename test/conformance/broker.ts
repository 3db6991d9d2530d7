import assert from 'node:assert/strict';
import type { Broker, Delivery } from '../../src/broker/broker.js';
import { OctavoError } from '../../src/core/error.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { Metadata, type MetadataInit } from '../../src/core/metadata.js';
import type { Suite } from './conform.js';

function message(body: string | Uint8Array, header: MetadataInit = {}): Message {
  return {
    header: new Metadata(header).set('Content-Type', 'text/plain'),
    body: typeof body === 'string' ? Buffer.from(body) : body,
  };
}

function textOf({ message: { body } }: Delivery): string {
  return Buffer.from(body).toString();
}

/** Keeps what is delivered, and waits for so much of it. */
class Inbox {
  readonly deliveries: Delivery[] = [];
  #waiting: (() => void)[] = [];

  readonly handler = (delivery: Delivery): void => {
    this.deliveries.push(delivery);
    for (const wake of this.#waiting.splice(0)) wake();
  };

  get texts(): string[] {
    return this.deliveries.map(textOf);
  }

  async holds(count: number): Promise<string[]> {
    while (this.deliveries.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.texts;
  }
}

function fails(run: () => Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(run, (reason) => reason instanceof OctavoError && reason.code === code);
}

/** The promises of `Broker`; where one depends on what the backend gives, `guarantees` is asked. */
export const brokerSuite = {
  'stopping twice, without a start, and starting again are fine': async (broker, fresh) => {
    await (await fresh()).stop();
    await broker.stop();
    await broker.stop();
    await broker.start();
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    await broker.publish('topic', message('again'));
    assert.deepEqual(await inbox.holds(1), ['again']);
  },
  'publishing and subscribing before the start are refused': async (_, fresh) => {
    const broker = await fresh();
    await fails(() => broker.publish('topic', message('x')), 'failed_precondition');
    await fails(() => broker.subscribe('topic', () => {}), 'failed_precondition');
  },
  'an event arrives with its topic, header and body': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    const bytes = Uint8Array.from({ length: 256 }, (__, at) => at);
    await broker.publish('topic', message(bytes, { 'Foo-Bar': 'é 日本' }));
    await inbox.holds(1);
    const [delivery] = inbox.deliveries;
    assert.equal(delivery?.topic, 'topic');
    assert.equal(delivery.attempt, 1);
    assert.equal(delivery.message.header.get('foo-bar'), 'é 日本');
    assert.equal(delivery.message.header.get('content-type'), 'text/plain');
    assert.deepEqual([...delivery.message.body], [...bytes]);
  },
  'a body of no bytes, and a large one, arrive': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    await broker.publish('topic', message(EMPTY));
    await inbox.holds(1);
    await broker.publish('topic', message(Buffer.alloc(1024 * 1024, 'x')));
    await inbox.holds(2);
    assert.deepEqual(
      inbox.deliveries.map(({ message: { body } }) => body.length),
      [0, 1024 * 1024],
    );
  },
  'an event without a subscriber is nobody’s mistake': async (broker) => {
    await broker.publish('nobody', message('x'));
  },
  'every subscriber without a queue gets every event': async (broker, fresh) => {
    const other = await fresh();
    await other.start();
    const [first, second, third] = [new Inbox(), new Inbox(), new Inbox()];
    await broker.subscribe('topic', first.handler);
    await broker.subscribe('topic', second.handler);
    await other.subscribe('topic', third.handler);
    await broker.publish('topic', message('x'));
    for (const inbox of [first, second, third]) assert.deepEqual(await inbox.holds(1), ['x']);
  },
  'a subscriber of another topic gets nothing': async (broker) => {
    const wanted = new Inbox();
    const other = new Inbox();
    await broker.subscribe('other', other.handler);
    await broker.subscribe('topic', wanted.handler);
    await broker.publish('topic', message('x'));
    await wanted.holds(1);
    assert.equal(other.deliveries.length, 0);
  },
  'subscribers of one queue share the events, and each queue gets all': async (broker, fresh) => {
    if (!broker.guarantees.queues) return;
    const other = await fresh();
    await other.start();
    const shared = new Inbox();
    const apart = new Inbox();
    await broker.subscribe('topic', shared.handler, { queue: 'a' });
    await broker.subscribe('topic', shared.handler, { queue: 'a' });
    await other.subscribe('topic', shared.handler, { queue: 'a' });
    await broker.subscribe('topic', apart.handler, { queue: 'b' });
    const sent = Array.from({ length: 12 }, (_, n) => String(n));
    for (const each of sent) await broker.publish('topic', message(each));
    const sorted = (texts: string[]): string[] => texts.toSorted((a, b) => Number(a) - Number(b));
    assert.deepEqual(sorted(await apart.holds(12)), sent);
    assert.deepEqual(sorted(await shared.holds(12)), sent);
  },
  'one publisher’s events of a topic keep their order, where that is promised': async (broker) => {
    if (broker.guarantees.ordering !== 'per-topic') return;
    const inbox = new Inbox();
    await broker.subscribe('topic', async (delivery) => {
      await new Promise((resolve) => setImmediate(resolve));
      inbox.handler(delivery);
    });
    const sent = Array.from({ length: 50 }, (_, n) => String(n));
    for (const each of sent) await broker.publish('topic', message(each));
    assert.deepEqual(await inbox.holds(50), sent);
  },
  'a handler that throws keeps nobody else from the next event': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', (delivery) => {
      inbox.handler(delivery);
      if (textOf(delivery) === 'bad' && delivery.attempt === 1) throw new Error('no');
    });
    await broker.publish('topic', message('bad'));
    await inbox.holds(1);
    await broker.publish('topic', message('good'));
    const texts = await inbox.holds(broker.guarantees.redelivery ? 3 : 2);
    assert.ok(texts.includes('good'));
  },
  'what is refused comes again, where that is promised': async (broker) => {
    if (!broker.guarantees.redelivery) return;
    const inbox = new Inbox();
    await broker.subscribe(
      'topic',
      (delivery) => {
        inbox.handler(delivery);
        if (delivery.attempt < 3) delivery.nack({ delayMs: 1 });
        else delivery.ack();
      },
      { autoAck: false },
    );
    await broker.publish('topic', message('x'));
    await inbox.holds(3);
    assert.deepEqual(
      inbox.deliveries.map(({ attempt }) => attempt),
      [1, 2, 3],
    );
  },
  'after unsubscribing nothing more arrives': async (broker) => {
    const gone = new Inbox();
    const stays = new Inbox();
    const subscriber = await broker.subscribe('topic', gone.handler);
    await broker.subscribe('topic', stays.handler);
    assert.equal(subscriber.topic, 'topic');
    await subscriber.unsubscribe();
    await subscriber.unsubscribe();
    await broker.publish('topic', message('x'));
    await stays.holds(1);
    assert.equal(gone.deliveries.length, 0);
  },
  'unsubscribing waits for the event in hand': async (broker) => {
    let finish: () => void = () => {};
    let finished = false;
    const begun = new Inbox();
    const subscriber = await broker.subscribe('topic', async (delivery) => {
      begun.handler(delivery);
      await new Promise<void>((resolve) => (finish = resolve));
      finished = true;
    });
    const published = broker.publish('topic', message('x'));
    await begun.holds(1);
    const ended = subscriber.unsubscribe().then(() => finished);
    finish();
    assert.equal(await ended, true);
    await published;
  },
  'what a publisher changes afterwards is not seen': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    const sent = message('x', { Foo: 'before' });
    const published = broker.publish('topic', sent);
    sent.header.set('Foo', 'after');
    await published;
    await inbox.holds(1);
    assert.equal(inbox.deliveries[0]?.message.header.get('Foo'), 'before');
  },
  'asking for what the backend cannot keep fails': async (broker) => {
    if (broker.guarantees.durable) return;
    await fails(() => broker.subscribe('topic', () => {}, { durable: true }), 'failed_precondition');
  },
} satisfies Suite<Broker>;
