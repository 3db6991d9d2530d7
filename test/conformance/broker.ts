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

/** Something to wait for until the test releases it. */
function gated(): { readonly open: Promise<void>; readonly release: () => void } {
  let release = (): void => {};
  const open = new Promise<void>((resolve) => (release = resolve));
  return { open, release: () => release() };
}

function fails(run: () => Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(run, (reason) => reason instanceof OctavoError && reason.code === code);
}

/** What lies between the first and the third delivery of an event that is thrown at, at least, in milliseconds. */
const LEAST_BACKOFF_MS = 20;

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
  'events of one key keep their order, where that is promised': async (broker) => {
    if (broker.guarantees.ordering === 'none') return;
    const inbox = new Inbox();
    await broker.subscribe('topic', async (delivery) => {
      await new Promise((resolve) => setImmediate(resolve));
      inbox.handler(delivery);
    });
    const sent = Array.from({ length: 30 }, (_, n) => `${'abc'[n % 3]}${n}`);
    for (const each of sent) await broker.publish('topic', message(each), { key: each.slice(0, 1) });
    const got = await inbox.holds(30);
    for (const key of ['a', 'b', 'c'])
      assert.deepEqual(
        got.filter((text) => text.startsWith(key)),
        sent.filter((text) => text.startsWith(key)),
      );
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
  'what a handler throws at comes again with a higher attempt, and not at once without end, where that is promised':
    async (broker) => {
      if (!broker.guarantees.redelivery) return;
      const inbox = new Inbox();
      const times: number[] = [];
      await broker.subscribe('topic', (delivery) => {
        times.push(performance.now());
        inbox.handler(delivery);
        if (delivery.attempt < 3) throw new Error('no');
      });
      await broker.publish('topic', message('x'));
      await inbox.holds(3);
      assert.deepEqual(
        inbox.deliveries.map(({ attempt }) => attempt),
        [1, 2, 3],
      );
      const [first = 0, , third = 0] = times;
      assert.ok(third - first >= LEAST_BACKOFF_MS, `three deliveries within ${third - first} ms`);
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
  'a handler may end its own subscription, and wait for that': async (broker) => {
    const gone = new Inbox();
    const stays = new Inbox();
    const subscriber = await broker.subscribe('topic', async (delivery) => {
      await subscriber.unsubscribe();
      gone.handler(delivery);
    });
    await broker.publish('topic', message('x'));
    assert.deepEqual(await gone.holds(1), ['x']);
    await broker.subscribe('topic', stays.handler);
    await broker.publish('topic', message('y'));
    await stays.holds(1);
    assert.deepEqual(gone.texts, ['x']);
  },
  'what waits for a member of a queue that leaves is for the others, where events reach who is there': async (
    broker,
    fresh,
  ) => {
    if (!broker.guarantees.queues || broker.guarantees.delivery !== 'at-least-once') return;
    const other = await fresh();
    await other.start();
    const gate = gated();
    const begun = new Inbox();
    const got = new Inbox();
    const leaving = await broker.subscribe(
      'topic',
      async (delivery) => {
        begun.handler(delivery);
        await gate.open;
        got.handler(delivery);
      },
      { queue: 'q' },
    );
    const sent = ['1', '2', '3', '4', '5'];
    for (const each of sent) await broker.publish('topic', message(each));
    await begun.holds(1);
    await other.subscribe('topic', got.handler, { queue: 'q' });
    const left = leaving.unsubscribe();
    gate.release();
    await left;
    await got.holds(5);
    assert.deepEqual(new Set(got.texts), new Set(sent));
  },
  'stopping waits for the event in hand': async (broker) => {
    const gate = gated();
    let finished = false;
    const begun = new Inbox();
    await broker.subscribe('topic', async (delivery) => {
      begun.handler(delivery);
      await gate.open;
      finished = true;
    });
    const published = broker.publish('topic', message('x'));
    await begun.holds(1);
    const stopped = Promise.resolve(broker.stop()).then(() => finished);
    gate.release();
    assert.equal(await stopped, true);
    await published;
  },
  'a stop that overtakes a subscribe leaves no subscription behind': async (broker) => {
    const gone = new Inbox();
    const stays = new Inbox();
    const subscribing = broker.subscribe('topic', gone.handler).catch(() => undefined);
    await broker.stop();
    await subscribing;
    await broker.start();
    await broker.subscribe('topic', stays.handler);
    await broker.publish('topic', message('x'));
    await stays.holds(1);
    assert.equal(gone.deliveries.length, 0);
  },
  'a stop that overtakes a publish brings it to an end': async (broker) => {
    await broker.subscribe('topic', () => {});
    const publishing = broker.publish('topic', message('x')).catch(() => undefined);
    await broker.stop();
    await publishing;
  },
  'an aborted publish is cancelled': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    await fails(
      () => broker.publish('topic', message('aborted'), { signal: AbortSignal.abort() }),
      'cancelled',
    );
    await broker.publish('topic', message('x'));
    assert.deepEqual(await inbox.holds(1), ['x']);
  },
  'an event that is far too large is refused, or arrives, and harms no other': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    const large = broker.publish('topic', message(Buffer.alloc(64 * 1024 * 1024)));
    const arrives = await large.then(
      () => true,
      (reason: unknown) => {
        assert.ok(reason instanceof OctavoError && reason.code === 'resource_exhausted', String(reason));
        return false;
      },
    );
    if (arrives) await inbox.holds(1);
    await broker.publish('topic', message('x'));
    assert.equal((await inbox.holds(arrives ? 2 : 1)).at(-1), 'x');
  },
  'a subscriber that publishes to its own topic leaves time for everything else': async (broker) => {
    let over = false;
    const inbox = new Inbox();
    await broker.subscribe('topic', async (delivery) => {
      inbox.handler(delivery);
      // Without waiting, as a publish may wait for the handler.
      if (!over) void broker.publish('topic', message('x')).catch(() => {});
    });
    await broker.publish('topic', message('x'));
    await inbox.holds(2);
    await new Promise((resolve) => setTimeout(resolve, 1));
    over = true;
  },
  'what a publisher changes afterwards is not seen, nor what another subscriber changes': async (broker) => {
    const inboxes = [new Inbox(), new Inbox()];
    for (const inbox of inboxes)
      await broker.subscribe('topic', (delivery) => {
        inbox.handler({
          ...delivery,
          message: {
            header: new Metadata(delivery.message.header),
            body: Buffer.from(delivery.message.body),
          },
        });
        delivery.message.header.set('Foo', 'changed');
        delivery.message.body.fill(0);
      });
    const sent = message(Buffer.from('x'), { Foo: 'before' });
    const published = broker.publish('topic', sent);
    sent.header.set('Foo', 'after');
    sent.body.fill(0);
    await published;
    for (const inbox of inboxes) {
      assert.deepEqual(await inbox.holds(1), ['x']);
      assert.equal(inbox.deliveries[0]?.message.header.get('Foo'), 'before');
    }
  },
  'asking for what the backend cannot keep fails': async (broker) => {
    if (broker.guarantees.durable) return;
    const options = { queue: 'q', durable: true };
    await fails(() => broker.subscribe('topic', () => {}, options), 'failed_precondition');
  },
  'a durable subscription without a queue is refused, as nobody is named whom events wait for': async (
    broker,
  ) => {
    await fails(() => broker.subscribe('topic', () => {}, { durable: true }), 'failed_precondition');
  },
  'events wait for a durable queue that is away, where that is promised': async (broker, fresh) => {
    if (!broker.guarantees.durable) return;
    const inbox = new Inbox();
    const durable = { queue: 'q', durable: true };
    const first = await broker.subscribe('topic', inbox.handler, durable);
    await broker.publish('topic', message('here'));
    await inbox.holds(1);
    await first.unsubscribe();
    for (const each of ['a', 'b', 'c']) await broker.publish('topic', message(each));
    const other = await fresh();
    await other.start();
    await other.subscribe('topic', inbox.handler, durable);
    const got = await inbox.holds(4);
    assert.deepEqual(new Set(got.slice(1)), new Set(['a', 'b', 'c']));
  },
  'what a durable queue had in hand and did not acknowledge comes again, where that is promised': async (
    broker,
    fresh,
  ) => {
    if (!broker.guarantees.durable) return;
    const options = { queue: 'q', durable: true, autoAck: false };
    const held = new Inbox();
    await broker.subscribe('topic', held.handler, options);
    await broker.publish('topic', message('x'));
    await held.holds(1);
    await broker.stop();
    const other = await fresh();
    await other.start();
    const again = new Inbox();
    await other.subscribe('topic', again.handler, options);
    assert.deepEqual(await again.holds(1), ['x']);
    again.deliveries[0]?.ack();
  },
  'of ack and nack only the first counts, where what is refused comes again': async (broker) => {
    if (!broker.guarantees.redelivery) return;
    const inbox = new Inbox();
    await broker.subscribe(
      'topic',
      (delivery) => {
        inbox.handler(delivery);
        if (textOf(delivery) === 'nacked' && delivery.attempt === 1) delivery.nack({ delayMs: 1 });
        delivery.ack();
        delivery.nack({ delayMs: 1 });
      },
      { autoAck: false },
    );
    await broker.publish('topic', message('acked'));
    await broker.publish('topic', message('nacked'));
    await inbox.holds(3);
    await broker.publish('topic', message('last'));
    const texts = await inbox.holds(4);
    assert.deepEqual(texts.toSorted(), ['acked', 'last', 'nacked', 'nacked']);
  },
  'a refused event comes no earlier than was asked for, and lets others pass meanwhile': async (broker) => {
    if (!broker.guarantees.redelivery) return;
    const inbox = new Inbox();
    const times: number[] = [];
    await broker.subscribe(
      'topic',
      (delivery) => {
        if (textOf(delivery) === 'late') times.push(performance.now());
        inbox.handler(delivery);
        if (delivery.attempt === 1 && textOf(delivery) === 'late') delivery.nack({ delayMs: 300 });
        else delivery.ack();
      },
      { autoAck: false },
    );
    await broker.publish('topic', message('late'));
    await inbox.holds(1);
    await broker.publish('topic', message('next'));
    assert.deepEqual(await inbox.holds(3), ['late', 'next', 'late']);
    const [first = 0, second = 0] = times;
    // A backend may count in whole milliseconds.
    assert.ok(second - first >= 295, `after ${second - first} ms`);
  },
  'a slow handler keeps no other subscription waiting': async (broker) => {
    const gate = gated();
    const begun = new Inbox();
    const quick = new Inbox();
    await broker.subscribe('slow', async (delivery) => {
      begun.handler(delivery);
      await gate.open;
    });
    await broker.subscribe('quick', quick.handler);
    // A publish may wait for the handler.
    const published = broker.publish('slow', message('x'));
    await begun.holds(1);
    for (const each of ['a', 'b', 'c']) await broker.publish('quick', message(each));
    await quick.holds(3);
    gate.release();
    await published;
  },
  'a handler may publish, and wait for that': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('answers', inbox.handler);
    await broker.subscribe('questions', async (delivery) => {
      await broker.publish('answers', message(`to ${textOf(delivery)}`));
    });
    for (const each of ['a', 'b']) await broker.publish('questions', message(each));
    const got = await inbox.holds(2);
    assert.deepEqual(got.toSorted(), ['to a', 'to b']);
  },
  'many publishes at once all arrive': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    const sent = Array.from({ length: 500 }, (_, n) => String(n));
    await Promise.all(sent.map((each) => broker.publish('topic', message(each))));
    const got = await inbox.holds(500);
    assert.deepEqual(new Set(got), new Set(sent));
  },
  'a queue loses nothing when a member leaves in the middle of many events, where that is promised': async (
    broker,
    fresh,
  ) => {
    if (!broker.guarantees.queues || broker.guarantees.delivery !== 'at-least-once') return;
    const other = await fresh();
    await other.start();
    const seen = new Set<string>();
    const complete = gated();
    const take = (delivery: Delivery): void => {
      seen.add(textOf(delivery));
      if (seen.size === 300) complete.release();
    };
    await broker.subscribe('topic', take, { queue: 'q' });
    const leaving = await other.subscribe('topic', take, { queue: 'q' });
    const sent = Array.from({ length: 300 }, (_, n) => String(n));
    const publishing = Promise.all(sent.map((each) => broker.publish('topic', message(each))));
    await leaving.unsubscribe();
    await publishing;
    await complete.open;
  },
  'topics that look alike are apart': async (broker) => {
    const inboxes = new Map<string, Inbox>();
    const topics = ['orders', 'orders.made', 'orders.made.dead', 'orders-made', 'Orders'];
    for (const topic of topics) {
      const inbox = new Inbox();
      inboxes.set(topic, inbox);
      await broker.subscribe(topic, inbox.handler);
    }
    for (const topic of topics) await broker.publish(topic, message(topic));
    for (const [topic, inbox] of inboxes) assert.deepEqual(await inbox.holds(1), [topic]);
    for (const [topic, inbox] of inboxes)
      assert.deepEqual(
        inbox.deliveries.map((delivery) => [delivery.topic, textOf(delivery)]),
        [[topic, topic]],
      );
  },
  'a header arrives whole: empty and long values, several of one name, any text': async (broker) => {
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    const header = new Metadata({
      Empty: '',
      Long: 'x'.repeat(4_000),
      Quoted: `"a", {b}; c='d' \\ %41`,
      'Bytes-Bin': Uint8Array.of(0, 1, 255),
    });
    header.append('Several', 'one').append('Several', 'two');
    await broker.publish('topic', { header, body: Buffer.from('x') });
    await inbox.holds(1);
    const got = inbox.deliveries[0]?.message.header;
    for (const name of ['Empty', 'Long', 'Quoted', 'several'])
      assert.equal(got?.get(name), header.get(name), name);
    assert.deepEqual(got?.getBytes('bytes-bin'), [Uint8Array.of(0, 1, 255)]);
  },
  'publishing and subscribing after the stop are refused': async (broker) => {
    await broker.subscribe('topic', () => {});
    await broker.stop();
    await fails(() => broker.publish('topic', message('x')), 'failed_precondition');
    await fails(() => broker.subscribe('topic', () => {}), 'failed_precondition');
  },
  'what it counts, where it does, is what was published, delivered and refused': async (broker, fresh) => {
    if (broker.stats === undefined) return;
    assert.notEqual(broker.stats().connected, false);
    assert.notEqual((await fresh()).stats?.().connected, true);
    const inbox = new Inbox();
    await broker.subscribe('topic', inbox.handler);
    for (const text of ['a', 'b', 'c']) await broker.publish('topic', message(text));
    await inbox.holds(3);
    await broker.publish('nobody', message('x'));
    const { connected: _, ...counted } = broker.stats();
    assert.deepEqual(counted, { published: 4, failed: 0, delivered: 3 });
    const signal = AbortSignal.abort();
    await fails(() => broker.publish('topic', message('x'), { signal }), 'cancelled');
    await fails(() => broker.publish('topic', message(Buffer.alloc(64 * 1024 * 1024))), 'resource_exhausted');
    assert.equal(broker.stats().failed, 1);
    await broker.stop();
    assert.notEqual(broker.stats().connected, true);
    assert.equal(broker.stats().published, 4);
  },
} satisfies Suite<Broker>;
