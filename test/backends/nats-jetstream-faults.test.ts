import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { jetstreamManager, type ConsumerInfo } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { NatsJetStreamBroker, type NatsJetStreamBrokerOptions } from '../../src/broker/nats-jetstream.js';
import { failure, timed } from '../support/nats-bench.js';
import { Brokers, event, gated, Inbox, publishes } from '../support/nats-brokers.js';
import { NatsServer, type NatsServerOptions } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { RawNats } from '../support/raw-nats.js';
import { chaos } from './support/broker-chaos.js';

const SECRET = 'hunter2';
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

/** How many events the stream keeps. */
async function kept({ address }: NatsServer): Promise<number> {
  const connection = await connect({ servers: address });
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info('octavo');
  await connection.close();
  return state.messages;
}

describe('the start of the nats-jetstream broker', () => {
  it('says what is missing: a server, JetStream, or what its stream keeps', async () => {
    await bench(async ({ server, ...made }) => {
      void made;
      await server.kill();
      const broker = new NatsJetStreamBroker({ addresses: [server.address], connectTimeoutMs: 300 }, parts());
      const error = await failure(() => broker.start());
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /the nats-jetstream broker found no NATS server at .* within \d+ ms/);
      await server.restart();
      await broker.start();
      await broker.stop();
      const other = new NatsJetStreamBroker({ addresses: [server.address], prefix: 'other.' }, parts());
      const refused = await failure(() => other.start());
      assert.equal(refused.code, 'failed_precondition');
      assert.match(refused.message, /"octavo" keeps octavo\.>, and not other\.>: name another stream/);
    });
    await bench(
      async (brokers) => {
        const error = await failure(async () => brokers.make({}).start());
        assert.equal(error.code, 'failed_precondition');
        assert.match(error.message, /has no JetStream: start it with -js/);
      },
      { jetStream: false },
    );
  });

  it('fails at once for a wrong password, says that word, and shows no secret', () =>
    bench(
      async (brokers) => {
        const ms = await timed(async () => {
          const error = await failure(async () =>
            brokers.make({ user: 'ada', pass: `${SECRET}-not` }).start(),
          );
          assert.equal(error.code, 'unauthenticated');
          assert.ok(!inspect(error, { depth: 10 }).includes(SECRET));
        });
        assert.ok(ms < 1_000, `${ms} ms`);
        const known = await brokers.started({ user: 'ada', pass: SECRET });
        await known.publish('topic', event('x'));
        assert.ok(!inspect([brokers.logger.records, known], { depth: 10 }).includes(SECRET));
      },
      { args: ['--user', 'ada', '--pass', SECRET] },
    ));
});

describe('the nats-jetstream broker', () => {
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
      // What all have dealt with is kept no longer.
      assert.equal(await kept(brokers.server), 0);
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

  it('refuses what its stream has no room for, and takes it when there is', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ maxBytes: 100_000 });
      const [inbox, gate] = [new Inbox(), gated()];
      await broker.subscribe(
        'topic',
        async (delivery) => {
          await gate.open;
          inbox.handler(delivery);
        },
        DURABLE,
      );
      const body = Buffer.alloc(10_000, 'x');
      const error = await failure(async () => {
        for (;;) await broker.publish('topic', event(body));
      });
      assert.equal(error.code, 'resource_exhausted');
      assert.match(error.message, /"octavo" takes no more .*raise maxBytes/);
      gate.release();
      await inbox.holds((texts) => texts.length >= 5);
      await publishesWhereThereIsRoom(broker.publish.bind(broker));
    }));
});

async function publishesWhereThereIsRoom(publish: NatsJetStreamBroker['publish']): Promise<void> {
  for (;;)
    try {
      return await publish('topic', event('fits'));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

describe('the nats-jetstream broker and a server that dies', () => {
  it('has everything that was confirmed when it is back, for who was there and who was away', () =>
    bench(async (brokers) => {
      const [here, there] = [await brokers.started({}), await brokers.started({})];
      const [inbox, late] = [new Inbox(), new Inbox()];
      await there.subscribe('topic', inbox.handler);
      await (await there.subscribe('topic', () => {}, DURABLE)).unsubscribe();
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < 100; n++) await here.publish('topic', event(`${round} ${n}`));
        await brokers.server.kill();
        assert.equal((await failure(() => here.publish('topic', event('down')))).code, 'unavailable');
        await brokers.server.restart();
        const ms = await timed(async () => {
          await publishes(here, 'topic', `back ${round}`);
          await inbox.holds((texts) => texts.includes(`back ${round}`));
        });
        assert.ok(ms < 3_000, `${ms} ms`);
      }
      await inbox.holds((texts) => new Set(texts).size === 303);
      await there.subscribe('topic', late.handler, DURABLE);
      await late.holds((texts) => new Set(texts).size === 303);
      assert.ok(!late.texts.includes('down'));
    }));

  it('makes stream and consumers again where it comes back without its data', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      const [alone, shared] = [new Inbox(), new Inbox()];
      await broker.subscribe('topic', alone.handler);
      await broker.subscribe('topic', shared.handler, DURABLE);
      await broker.publish('topic', event('before'));
      await shared.holds((texts) => texts.length === 1);
      await brokers.server.kill();
      await brokers.server.restart({ empty: true });
      const ms = await timed(async () => {
        while (!alone.texts.includes('after') || !shared.texts.includes('after')) {
          await publishes(broker, 'topic', 'after');
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      });
      assert.ok(ms < 3_000, `${ms} ms`);
    }));

  it('makes a consumer again that somebody deleted', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      const inbox = new Inbox();
      await broker.subscribe('topic', inbox.handler, DURABLE);
      const connection = await connect({ servers: brokers.server.address });
      const manager = await jetstreamManager(connection);
      for (const { name } of await consumers(brokers.server)) await manager.consumers.delete('octavo', name);
      await connection.close();
      const ms = await timed(async () => {
        while (inbox.texts.length === 0) {
          await publishes(broker, 'topic', 'after');
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      });
      assert.ok(ms < 2_000, `${ms} ms`);
    }));

  it('fails a publish to one that hangs, in time, and works when it goes on', () =>
    bench(async (brokers) => {
      const [quick, broker] = [await brokers.started({ timeoutMs: 200 }), await brokers.started({})];
      const inbox = new Inbox();
      await broker.subscribe('topic', inbox.handler, DURABLE);
      await brokers.server.pause();
      const paused = performance.now();
      assert.equal((await failure(() => quick.publish('topic', event('x')))).code, 'deadline_exceeded');
      assert.equal((await failure(() => broker.publish('topic', event('x')))).code, 'unavailable');
      assert.ok(performance.now() - paused < 6_000);
      // Ten seconds in all.
      await new Promise((resolve) => setTimeout(resolve, 10_000 - (performance.now() - paused)));
      brokers.server.resume();
      const ms = await timed(async () => {
        await publishes(broker, 'topic', 'back');
        await inbox.holds((texts) => texts.includes('back'));
      });
      assert.ok(ms < 3_000, `${ms} ms`);
    }));

  it('does not keep a stop up when it hangs', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      await broker.subscribe('topic', () => {});
      await broker.subscribe('topic', () => {}, DURABLE);
      await brokers.server.pause();
      const ms = await timed(async () => broker.stop());
      assert.ok(ms < 6_000, `${ms} ms`);
      brokers.server.resume();
    }));

  it('loses none of 10,000 events, with a consumer killed too', async (t) => {
    const server = await NatsServer.start({ jetStream: true });
    try {
      const addresses = [server.address];
      await chaos(t, {
        broker: new NatsJetStreamBroker({ addresses }, parts()),
        server,
        consumer: 'backends/peers/nats-jetstream-chaos.js',
        addresses,
      });
    } finally {
      await server.stop();
    }
  });
});
