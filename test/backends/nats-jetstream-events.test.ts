import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jetstreamManager, type ConsumerInfo } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { NatsJetStreamBroker, type NatsJetStreamBrokerOptions } from '../../src/broker/nats-jetstream.js';
import { failure } from '../support/nats-bench.js';
import { Brokers, event, gated, Inbox } from '../support/nats-brokers.js';
import { NatsServer, type NatsServerOptions } from '../support/nats-server.js';
import { RawNats } from '../support/raw-nats.js';

const DURABLE = { queue: 'q', durable: true };

function bench(
  run: (brokers: Brokers<NatsJetStreamBrokerOptions>) => Promise<void>,
  options: NatsServerOptions = {},
): Promise<void> {
  return Brokers.with(NatsJetStreamBroker, run, { jetStream: true, ...options });
}

/** What the server says of the consumers of a stream. */
async function consumers({ address }: NatsServer): Promise<ConsumerInfo[]> {
  const connection = await connect({ servers: address });
  const manager = await jetstreamManager(connection);
  const found = await manager.consumers.list('octavo').next();
  await connection.close();
  return found;
}

describe('the nats-jetstream broker', { concurrency: true }, () => {
  it('hears all topics that a wildcard stands for, each by its own name', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      const [word, rest] = [new Inbox(), new Inbox()];
      await broker.subscribe('orders.*', word.handler);
      await broker.subscribe('orders.>', rest.handler, DURABLE);
      for (const topic of ['orders', 'orders.made', 'orders.made.late', 'other.made'])
        await broker.publish(topic, event(topic));
      await rest.holds((texts) => texts.includes('orders.made.late'));
      await word.holds((texts) => texts.length === 1);
      assert.deepEqual(
        [word, rest].map(({ deliveries }) => deliveries.map(({ topic }) => topic)),
        [['orders.made'], ['orders.made', 'orders.made.late']],
      );
    }));

  it('keeps one of those with the same id, for each topic', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      const [inbox, other] = [new Inbox(), new Inbox()];
      await broker.subscribe('topic', inbox.handler);
      await broker.subscribe('other', other.handler);
      for (let n = 0; n < 3; n++) await broker.publish('topic', event('same', { 'Micro-Id': '1' }));
      await broker.publish('other', event('other', { 'Micro-Id': '1' }));
      await broker.publish('topic', event('next', { 'Micro-Id': '2' }));
      await broker.publish('topic', event('none'));
      await broker.publish('topic', event('none'));
      assert.deepEqual(await inbox.holds((texts) => texts.length === 4), ['same', 'next', 'none', 'none']);
      await other.holds((texts) => texts.length === 1);
    }));

  it('takes any text for an id', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      const inbox = new Inbox();
      await broker.subscribe('topic', inbox.handler);
      const ids = ['a b', 'é', 'x\r\nNats-Rollup: all', 'y'.repeat(5_000), `${'y'.repeat(5_000)}z`];
      for (let n = 0; n < 2; n++)
        for (const id of ids) await broker.publish('topic', event(id, { 'Micro-Id': id }));
      await broker.publish('topic', event('last'));
      assert.deepEqual(await inbox.holds((texts) => texts.includes('last')), [...ids, 'last']);
    }));

  it('tells the server that a slow handler is at work, and those behind it wait', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ ackWaitMs: 300 });
      const [inbox, gate] = [new Inbox(), gated()];
      await broker.subscribe(
        'topic',
        async (delivery) => {
          inbox.handler(delivery);
          await gate.open;
        },
        DURABLE,
      );
      for (const each of ['a', 'b', 'c']) await broker.publish('topic', event(each));
      await inbox.holds((texts) => texts.length === 1);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      gate.release();
      await inbox.holds((texts) => texts.length === 3);
      await broker.stop();
      assert.deepEqual(inbox.texts, ['a', 'b', 'c']);
      assert.ok(inbox.deliveries.every(({ attempt }) => attempt === 1));
    }));

  it('is not forgotten with all that waits while its handler is slow, and is soon after it has left', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ inactiveMs: 600, prefetch: 1 });
      const inbox = new Inbox();
      const subscriber = await broker.subscribe(
        'topic',
        async (delivery) => {
          inbox.handler(delivery);
          await new Promise((resolve) => setTimeout(resolve, 1_500));
        },
        { queue: 'q' },
      );
      for (const each of ['a', 'b']) await broker.publish('topic', event(each));
      await inbox.holds((texts) => texts.length === 2);
      await subscriber.unsubscribe();
      while ((await consumers(brokers.server)).length > 0)
        await new Promise((resolve) => setTimeout(resolve, 50));
    }));

  it('takes no more from the server than there is room for', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ prefetch: 5, drainMs: 10 });
      const gate = gated();
      await broker.subscribe('topic', () => gate.open, DURABLE);
      for (let n = 0; n < 100; n++) await broker.publish('topic', event(String(n)));
      const [consumer] = await consumers(brokers.server);
      assert.equal(consumer?.num_ack_pending, 5);
      assert.equal(consumer?.num_pending, 95);
      gate.release();
    }));

  it('gives up to the dead letters what is refused too often, and lets others pass', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ maxDeliver: 3 });
      const [inbox, dead] = [new Inbox(), new Inbox()];
      await broker.subscribe('topic.dead', dead.handler, DURABLE);
      await broker.subscribe(
        'topic',
        (delivery) => {
          inbox.handler(delivery);
          if (inbox.texts.at(-1) === 'bad') throw new Error('no');
        },
        DURABLE,
      );
      await broker.publish('topic', event('bad', { 'Micro-Id': '7', Why: 'not' }));
      await broker.publish('topic', event('good'));
      assert.deepEqual(await dead.holds((texts) => texts.length === 1), ['bad']);
      assert.equal(dead.deliveries[0]?.message.header.get('Why'), 'not');
      assert.deepEqual(inbox.texts, ['bad', 'good', 'bad', 'bad']);
      await broker.stop();
      assert.ok(brokers.logger.records.some(({ message }) => /refused 3 times.*topic\.dead/.test(message)));
      assert.ok((await consumers(brokers.server)).every(({ num_ack_pending }) => num_ack_pending === 0));
    }));

  it('buries what killed whoever had it in hand, and what is no event', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ maxDeliver: 2, ackWaitMs: 200 });
      const dead = new Inbox();
      const first = await broker.subscribe('topic', () => {}, DURABLE);
      await broker.subscribe('topic.dead', dead.handler);
      await first.unsubscribe();
      await broker.publish('topic', event('killer'));
      const raw = await RawNats.open(brokers.server.address);
      raw.hear('killed');
      const name = (await consumers(brokers.server)).find(
        ({ config }) => config.filter_subject === 'octavo.topic',
      )?.name;
      for (let n = 0; n < 2; n++) {
        raw.say(`$JS.API.CONSUMER.MSG.NEXT.octavo.${name}`, '1', 'killed');
        await raw.next();
      }
      const inbox = new Inbox();
      await broker.subscribe('topic', inbox.handler, DURABLE);
      await dead.holds((texts) => texts.includes('killer'));
      for (const poison of ['', 'no JSON', '{"Body":5}']) raw.say('octavo.topic', poison);
      await raw.flush();
      await broker.publish('topic', event('good'));
      await inbox.holds((texts) => texts.length > 0);
      assert.deepEqual(inbox.texts, ['good']);
      // Those cannot be read at the grave either.
      const buried = (): number =>
        brokers.logger.records.filter(({ message }) => /dead letter cannot be read/.test(message)).length;
      while (buried() < 3) await new Promise((resolve) => setTimeout(resolve, 10));
      await raw.close();
    }));

  it('keeps no more than it may, the newest of it, and says so where the server has no room for that', async () => {
    await bench(async (brokers) => {
      const broker = await brokers.started({ maxBytes: 100_000 });
      const inbox = new Inbox();
      await (await broker.subscribe('topic', () => {}, DURABLE)).unsubscribe();
      for (let n = 0; n < 20; n++) await broker.publish('topic', event(`${n} ${'x'.repeat(10_000)}`));
      await broker.subscribe('topic', inbox.handler, DURABLE);
      await inbox.holds((texts) => texts.at(-1)?.startsWith('19 ') === true);
      assert.ok(inbox.texts.length > 5 && inbox.texts.length < 10, `${inbox.texts.length} events`);
    });
    await bench(
      async (brokers) => {
        const error = await failure(async () => brokers.make({}).start());
        assert.equal(error.code, 'resource_exhausted');
        assert.match(error.message, /"octavo" finds no room at .*set a lower maxBytes/);
        await brokers.started({ maxBytes: 1_000_000 });
      },
      { config: 'jetstream { max_file_store: 10MB }' },
    );
  });
});
