import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { jetstreamManager, type ConsumerInfo } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { NatsJetStreamBroker, type NatsJetStreamBrokerOptions } from '../../src/broker/nats-jetstream.js';
import { failure, timed } from '../support/nats-bench.js';
import { Brokers, event, Inbox, publishes } from '../support/nats-brokers.js';
import { NatsServer, type NatsServerOptions } from '../support/nats-server.js';
import { parts } from '../support/parts.js';

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

describe('what a NATS server with JetStream allows', () => {
  it('and a topic is forbidden: its publish says so, and no other is harmed', () =>
    bench(
      async (brokers) => {
        const broker = await brokers.started({ user: 'ada', pass: 'x' });
        const [error] = await Promise.all([
          failure(() => broker.publish('no.writing', event('x'))),
          broker.publish('topic', event('x')),
        ]);
        assert.equal(error.code, 'permission_denied');
        assert.match(error.message, /octavo\.no\.writing/);
      },
      {
        config:
          'authorization { users: [ { user: ada, password: x, permissions: { publish: { deny: "octavo.no.writing" } } } ] }',
      },
    ));

  it('and its API is forbidden: the start says so', () =>
    bench(
      async (brokers) => {
        const ms = await timed(async () => {
          const error = await failure(async () => brokers.make({ user: 'ada', pass: 'x' }).start());
          assert.equal(error.code, 'permission_denied');
          assert.match(error.message, /\$JS\.API/);
        });
        assert.ok(ms < 2_000, `${ms} ms`);
      },
      {
        config:
          'authorization { users: [ { user: ada, password: x, permissions: { publish: { deny: "$JS.API.>" } } } ] }',
      },
    ));
});

describe('the nats-jetstream broker and a server that dies', { concurrency: true }, () => {
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
});
