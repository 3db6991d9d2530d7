import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { NatsBroker, type NatsBrokerOptions } from '../../src/broker/nats.js';
import { failure, timed } from '../support/nats-bench.js';
import { Brokers, event, gated, Inbox, publishes } from '../support/nats-brokers.js';
import type { NatsServerOptions } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { RawNats } from '../support/raw-nats.js';

const SECRET = 'hunter2';

function bench(
  run: (brokers: Brokers<NatsBrokerOptions>) => Promise<void>,
  options?: NatsServerOptions,
): Promise<void> {
  return Brokers.with(NatsBroker, run, options);
}

describe('the start of the nats broker', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    bench(async ({ server }) => {
      await server.kill();
      const broker = new NatsBroker({ addresses: [server.address], connectTimeoutMs: 300 }, parts());
      const error = await failure(() => broker.start());
      assert.equal(error.code, 'unavailable');
      assert.match(
        error.message,
        new RegExp(`the nats broker found no NATS server at ${server.address} within \\d+ ms`),
      );
      await server.restart();
      await broker.start();
      await broker.publish('topic', event('x'));
      await broker.stop();
    }));

  it('fails at once for a wrong password, says that word, and shows no secret', () =>
    bench(
      async (brokers) => {
        const broker = brokers.make({ user: 'ada', pass: `${SECRET}-not` });
        const ms = await timed(async () => {
          const error = await failure(() => broker.start());
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

describe('the nats broker', () => {
  it('hears all topics that a wildcard stands for, each by its own name', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      const [word, rest] = [new Inbox(), new Inbox()];
      await broker.subscribe('orders.*', word.handler);
      await broker.subscribe('orders.>', rest.handler, { queue: 'q' });
      for (const topic of ['orders', 'orders.made', 'orders.made.late', 'other.made'])
        await broker.publish(topic, event(topic));
      await rest.holds((texts) => texts.includes('orders.made.late'));
      assert.deepEqual(
        [word, rest].map(({ deliveries }) => deliveries.map(({ topic }) => topic)),
        [['orders.made'], ['orders.made', 'orders.made.late']],
      );
      for (const wrong of ['orders.*', '', 'a b', 'a..b', 'a\r\nPUB x 0'])
        assert.equal((await failure(() => broker.publish(wrong, event('x')))).code, 'invalid_argument');
      for (const wrong of ['>.a', 'a*', 'a..>', 'a b'])
        assert.equal((await failure(() => broker.subscribe(wrong, () => {}))).code, 'invalid_argument');
    }));

  it('drops what is no event, and what nobody has room for, says so once in a while, and goes on', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ prefetch: 10, maxPendingBytes: 100_000 });
      const raw = await RawNats.open(brokers.server.address);
      const inbox = new Inbox();
      const gate = gated();
      await broker.subscribe('topic', async (delivery) => {
        inbox.handler(delivery);
        await gate.open;
      });
      for (const poison of ['', 'no JSON', '[1]', '{"Body":5}', `{"Header":${'['.repeat(100_000)}`])
        raw.say('topic', poison);
      await raw.flush();
      for (let n = 0; n < 50; n++) await broker.publish('topic', event(`small ${n}`));
      gate.release();
      await inbox.holds((texts) => texts.length === 10);
      await broker.publish('topic', event('after'));
      await inbox.holds((texts) => texts.at(-1) === 'after');
      await broker.publish('topic', event(Buffer.alloc(90_000, 'x')));
      await broker.publish('topic', event('last'));
      await inbox.holds((texts) => texts.at(-1) === 'last');
      const said = brokers.logger.records.map(({ message }) => message);
      assert.equal(said.filter((each) => each.includes('cannot be read')).length, 1);
      assert.equal(said.filter((each) => each.includes('too far behind')).length >= 1, true);
      assert.ok(said.length < 20, `${said.length} lines`);
      await raw.close();
    }));

  it('finishes what it was given before the end of a subscription, and begins nothing after it', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      const inbox = new Inbox();
      const gate = gated();
      const subscriber = await broker.subscribe('topic', async (delivery) => {
        await gate.open;
        inbox.handler(delivery);
      });
      for (const each of ['a', 'b', 'c']) await broker.publish('topic', event(each));
      const ended = subscriber.unsubscribe();
      await broker.publish('topic', event('late'));
      gate.release();
      await ended;
      assert.deepEqual(inbox.texts, ['a', 'b', 'c']);
    }));

  it('waits for handlers no longer than it may at its stop', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({ drainMs: 100 });
      const inbox = new Inbox();
      const gate = gated();
      await broker.subscribe('topic', async (delivery) => {
        inbox.handler(delivery);
        await gate.open;
      });
      for (const each of ['a', 'b']) await broker.publish('topic', event(each));
      await inbox.holds((texts) => texts.length === 1);
      const ms = await timed(async () => broker.stop());
      assert.ok(ms < 1_000, `${ms} ms`);
      gate.release();
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(inbox.texts, ['a']);
    }));

  it('says so where the server forbids a topic', () =>
    bench(
      async (brokers) => {
        const broker = await brokers.started({ user: 'ada', pass: 'x' });
        for (const failing of [
          () => broker.publish('no.writing', event('x')),
          () => broker.subscribe('no.reading', () => {}),
        ]) {
          const error = await failure(failing);
          assert.equal(error.code, 'permission_denied');
          assert.match(error.message, /no\.(writing|reading)/);
        }
        await broker.publish('topic', event('x'));
      },
      {
        config:
          'authorization { users: [ { user: ada, password: x, permissions: { publish: { deny: "no.writing" }, subscribe: { deny: "no.reading" } } } ] }',
      },
    ));

  it('refuses at its publisher what the server would not take', () =>
    bench(
      async (brokers) => {
        const broker = await brokers.started({});
        const error = await failure(() => broker.publish('topic', event(Buffer.alloc(64_000))));
        assert.equal(error.code, 'resource_exhausted');
        assert.match(error.message, /takes 65536 \(its max_payload\)/);
        await broker.publish('topic', event('x'));
      },
      { config: 'max_payload: 65536' },
    ));
});

describe('the nats broker and a server that dies', { concurrency: true }, () => {
  it('refuses what is published meanwhile, keeps none of it, and hears again when the server is back', () =>
    bench(async (brokers) => {
      const [here, there] = [await brokers.started({}), await brokers.started({})];
      const [alone, shared] = [new Inbox(), new Inbox()];
      await there.subscribe('topic', alone.handler);
      await there.subscribe('topic', shared.handler, { queue: 'q' });
      for (let round = 0; round < 3; round++) {
        await brokers.server.kill();
        const ms = await timed(async () => {
          for (let n = 0; n < 100; n++)
            assert.equal((await failure(() => here.publish('topic', event('down')))).code, 'unavailable');
        });
        assert.ok(ms < 1_000, `${ms} ms`);
        await brokers.server.restart();
        const back = `back ${round}`;
        const backMs = await timed(async () => {
          while (!alone.texts.includes(back) || !shared.texts.includes(back)) {
            await publishes(here, 'topic', back);
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        });
        assert.ok(backMs < 3_000, `${backMs} ms`);
      }
      assert.ok(!alone.texts.includes('down'));
    }));

  it('fails a publish to one that hangs, in time, and works when it goes on', () =>
    bench(async (brokers) => {
      const [quick, broker] = [await brokers.started({ timeoutMs: 200 }), await brokers.started({})];
      const inbox = new Inbox();
      await broker.subscribe('topic', inbox.handler);
      await brokers.server.pause();
      const paused = performance.now();
      assert.equal((await failure(() => quick.publish('topic', event('x')))).code, 'deadline_exceeded');
      assert.equal((await failure(() => broker.publish('topic', event('x')))).code, 'unavailable');
      assert.ok(performance.now() - paused < 6_000);
      // Ten seconds in all.
      await new Promise((resolve) => setTimeout(resolve, 10_000 - (performance.now() - paused)));
      brokers.server.resume();
      const ms = await timed(async () => {
        while (!inbox.texts.includes('back')) await publishes(broker, 'topic', 'back');
      });
      assert.ok(ms < 3_000, `${ms} ms`);
    }));

  it('does not keep a stop up when it hangs', () =>
    bench(async (brokers) => {
      const broker = await brokers.started({});
      await broker.subscribe('topic', () => {});
      await brokers.server.pause();
      const ms = await timed(async () => broker.stop());
      assert.ok(ms < 5_000, `${ms} ms`);
      brokers.server.resume();
    }));
});
