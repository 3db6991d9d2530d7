import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Delivery } from '../../src/broker/broker.js';
import type { RedisStreamsBroker } from '../../src/broker/redis-streams.js';
import { Child } from '../support/child.js';
import { event, failure, RedisBench, Seen, surely, textIn, timed, until } from '../support/redis-bench.js';

const KEY = 'octavo:topic';
const QUEUE = { queue: 'q', durable: true };

/** How many entries of a group are in hand. */
async function pending(bench: RedisBench, group = 'q'): Promise<number> {
  const [count] = (await bench.raw().xpending(KEY, group)) as [number];
  return count;
}

function names(reply: unknown): string[] {
  return (reply as [string, string][]).map(([, name]) => name);
}

async function started(broker: RedisStreamsBroker): Promise<RedisStreamsBroker> {
  await broker.start();
  return broker;
}

describe('a stream whose server forgets', () => {
  it('goes on, with and without a queue, from the first event of the new one', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams());
      const [shared, alone] = [new Seen(), new Seen()];
      await broker.subscribe('topic', shared.handler, QUEUE);
      await broker.subscribe('topic', alone.handler);
      for (let round = 0; round < 3; round++) {
        await broker.publish('topic', event(`before ${round}`));
        await shared.holds(`before ${round}`);
        await alone.holds(`before ${round}`);
        await bench.server.kill();
        await bench.server.restart({ empty: true });
        // From the moment that it is up again, and before the subscribers are.
        const raw = bench.raw();
        await raw.xadd(KEY, '*', 'body', `at once ${round}`);
        await surely(broker, 'topic', `after ${round}`);
        for (const seen of [shared, alone]) await seen.holds(`at once ${round}`, `after ${round}`);
      }
      assert.equal(new Set(shared.texts).size, shared.texts.length);
    }));

  it('goes on when somebody destroys its group, or deletes it', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams());
      const seen = new Seen();
      await broker.subscribe('topic', seen.handler, QUEUE);
      await broker.publish('topic', event('a'));
      await seen.holds('a');
      const raw = bench.raw();
      await raw.xgroup('DESTROY', KEY, 'q');
      await broker.publish('topic', event('b'));
      await seen.holds('b');
      await raw.del(KEY);
      await broker.publish('topic', event('c'));
      await seen.holds('c');
      assert.deepEqual(seen.texts, ['a', 'b', 'c']);
    }));
});

describe('what a Redis server keeps over a kill', () => {
  for (const [fsync, kept] of [
    ['always', 500],
    ['never', 0],
  ] as const)
    it(`is ${kept} of 500 events with "${fsync}", and what may be lost is said at the start`, () =>
      RedisBench.with(
        async (bench) => {
          const broker = await started(bench.streams());
          await Promise.all(Array.from({ length: 500 }, (_, n) => broker.publish('topic', event(`${n}`))));
          await bench.server.kill();
          await bench.server.restart();
          assert.equal(await bench.raw().xlen(KEY), kept);
          assert.equal(/may lose events that it has confirmed/.test(bench.log), fsync !== 'always');
        },
        { fsync },
      ));

  it('is not all of it with "everysec", which is said too', () =>
    RedisBench.with(
      async (bench) => {
        await started(bench.streams());
        await until(() => /may lose events that it has confirmed/.test(bench.log));
      },
      { fsync: 'everysec' },
    ));
});

describe('a subscriber without a queue', () => {
  it('misses nothing, and gets nothing twice, while the server is killed in the middle of many events', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams());
      const seen = new Seen();
      await broker.subscribe('topic', seen.handler);
      let next = 0;
      const tried = new Set<string>();
      const publisher = async (): Promise<void> => {
        while (next < 2_000) {
          const name = `${next++}`;
          if ((await surely(broker, 'topic', name)) > 0) tried.add(name);
        }
      };
      const publishing = Promise.all(Array.from({ length: 16 }, publisher));
      for (const at of [500, 1_000, 1_500]) {
        await until(() => next > at);
        await bench.server.kill();
        await bench.server.restart();
      }
      await publishing;
      await until(() => new Set(seen.texts).size === 2_000);
      // Only what was published twice comes twice.
      const twice = seen.texts.filter((text, at) => seen.texts.indexOf(text) !== at);
      assert.deepEqual(
        twice.filter((text) => !tried.has(text)),
        [],
      );
    }));
});

describe('what was acknowledged', () => {
  it('is said to a server that was away meanwhile, and does not come again', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams());
      const seen = new Seen();
      let finish = (): void => {};
      await broker.subscribe(
        'topic',
        async (delivery) => {
          seen.handler(delivery);
          await new Promise<void>((resolve) => (finish = resolve));
        },
        QUEUE,
      );
      await broker.publish('topic', event('x'));
      await seen.holds('x');
      await bench.server.kill();
      finish();
      await bench.server.restart();
      await until(async () => (await pending(bench)) === 0);
      await broker.publish('topic', event('y'));
      await seen.holds('y');
      finish();
      assert.deepEqual(seen.texts, ['x', 'y']);
    }));

  it('is out before a stop ends, as many as there are', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams({ concurrency: 20, prefetch: 50 }));
      const seen = new Seen();
      let begun = 0;
      const subscriber = await broker.subscribe(
        'topic',
        async (delivery) => {
          begun++;
          await new Promise((resolve) => setTimeout(resolve, 20));
          seen.handler(delivery);
        },
        QUEUE,
      );
      await Promise.all(Array.from({ length: 100 }, (_, n) => broker.publish('topic', event(`${n}`))));
      await until(() => begun > 0);
      await broker.stop();
      const handled = seen.texts.length;
      assert.ok(handled > 0 && handled < 100, `${handled}`);
      await started(broker);
      const rest = new Seen();
      await broker.subscribe('topic', rest.handler, QUEUE);
      await until(() => rest.texts.length === 100 - handled);
      assert.equal(new Set([...seen.texts, ...rest.texts]).size, 100);
      await subscriber.unsubscribe();
    }));
});

describe('a consumer', () => {
  it('holds no more than prefetch, and runs no more than concurrency', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams({ concurrency: 2, prefetch: 5 }));
      let running = 0;
      let most = 0;
      let done = 0;
      await broker.subscribe(
        'topic',
        async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 5));
          running--;
          done++;
        },
        QUEUE,
      );
      await Promise.all(Array.from({ length: 60 }, (_, n) => broker.publish('topic', event(`${n}`))));
      let held = 0;
      while (done < 60) held = Math.max(held, await pending(bench));
      assert.equal(most, 2);
      assert.ok(held <= 5, `${held} were pending`);
      assert.ok(held > 2, `${held} were pending`);
    }));

  it('that takes its time is not taken for dead', () =>
    RedisBench.with(async (bench) => {
      const [one, other] = [
        await started(bench.streams({ claimAfterMs: 600 })),
        await started(bench.streams({ claimAfterMs: 600 })),
      ];
      const seen = new Seen();
      let done = 0;
      const slow = async (delivery: Delivery): Promise<void> => {
        seen.handler(delivery);
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        done++;
      };
      await one.subscribe('topic', slow, QUEUE);
      await other.subscribe('topic', slow, QUEUE);
      await one.publish('topic', event('a'));
      await one.publish('topic', event('b'));
      await until(() => done === 2);
      assert.deepEqual(seen.texts.toSorted(), ['a', 'b']);
    }));

  it('that is killed leaves what it had in hand to others, with a higher attempt', (t) =>
    RedisBench.with(async (bench) => {
      const child = Child.start('backends/peers/redis-streams-holder.js', [
        'topic',
        'q',
        bench.server.address,
        '1000',
      ]);
      await child.next('subscribed');
      const broker = await started(bench.streams({ claimAfterMs: 1_000 }));
      const holding = child.next<string>('holds');
      await broker.publish('topic', event('x'));
      assert.equal(await holding, 'x');
      const seen = new Seen();
      await broker.subscribe('topic', seen.handler, QUEUE);
      await child.end('SIGKILL');
      const ms = await timed(() => seen.holds('x'));
      assert.ok(ms < 3_500, `${ms} ms`);
      assert.equal(seen.deliveries[0]?.attempt, 2);
      await until(async () => (await pending(bench)) === 0);
      t.diagnostic(`taken over after ${Math.round(ms)} ms, with claimAfterMs 1000`);
    }));

  it('that nobody hears of any more is taken out of its group, and so is a group that need not be', () =>
    RedisBench.with(async (bench) => {
      const child = Child.start('backends/peers/redis-streams-holder.js', [
        'topic',
        'q',
        bench.server.address,
        '50',
      ]);
      await child.next('subscribed');
      await child.end('SIGKILL');
      const raw = bench.raw();
      await raw.xgroup('CREATE', KEY, 'left over', '$');
      await raw.xgroup('CREATECONSUMER', KEY, 'left over', 'dead');
      const broker = await started(bench.streams({ claimAfterMs: 50, maxLength: 4 }));
      await until(async () => {
        // Every fourth of the greatest length the stream is looked at.
        await surely(broker, 'topic', 'x').catch(() => {});
        return names(await raw.call('XINFO', 'GROUPS', KEY)).join() === 'q';
      });
      await until(async () => names(await raw.call('XINFO', 'CONSUMERS', KEY, 'q')).join() === 'durable');
    }));
});

describe('a stream', () => {
  it('loses what all queues have dealt with, once it is old, and nothing else', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams({ retentionMs: 1, maxLength: 40 }));
      const raw = bench.raw();
      const seen = new Seen();
      await broker.subscribe('topic', seen.handler, QUEUE);
      await raw.xgroup('CREATE', KEY, 'away', '$');
      await raw.xgroup('CREATECONSUMER', KEY, 'away', 'durable');
      for (let n = 0; n < 20; n++) await broker.publish('topic', event(`${n}`));
      await seen.holds('19');
      // One that is away has all of it still.
      assert.equal(await raw.xlen(KEY), 20);
      await raw.xgroup('DESTROY', KEY, 'away');
      await until(async () => {
        await broker.publish('topic', event('more'));
        return (await raw.xlen(KEY)) < 20;
      });
    }));

  it('that is full of what a queue has not dealt with refuses more, until it has', { timeout: 30_000 }, () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams({ maxLength: 20 }));
      const away = await broker.subscribe('topic', () => {}, QUEUE);
      await away.unsubscribe();
      let sent = 0;
      const error = await failure(async () => {
        for (;;) {
          await broker.publish('topic', event(`${sent}`));
          sent++;
        }
      });
      assert.equal(error.code, 'resource_exhausted');
      assert.match(
        error.message,
        /the stream of "topic" is full: its queues are 20 events behind \(maxLength\)/,
      );
      assert.ok(sent >= 20 && sent <= 40, `${sent}`);
      const seen = new Seen();
      await broker.subscribe('topic', seen.handler, QUEUE);
      await until(() => seen.texts.length === sent);
      await until(() =>
        broker.publish('topic', event('again')).then(
          () => true,
          () => false,
        ),
      );
      await seen.holds('again');
    }),
  );

  it('may hold what others have put there', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams());
      const seen = new Seen();
      await broker.subscribe('topic', seen.handler, QUEUE);
      const raw = bench.raw();
      await raw.xadd(KEY, '*', 'strange', 'x');
      await raw.xadd(KEY, '*', 'header', '{', 'body', 'broken header');
      await raw.xadd(KEY, '*', 'header', '[1,{"a":2}]', 'body', 'odd header');
      await raw.xadd(KEY, '*', 'header', '{"Content-Type":"text/plain","n":5}', 'body', 'by hand');
      await raw.xadd(
        KEY,
        '*',
        'header',
        JSON.stringify({ Large: 'x'.repeat(100_000) }),
        'body',
        'large header',
      );
      await until(() => seen.deliveries.length === 5);
      assert.deepEqual(seen.texts, ['', 'broken header', 'odd header', 'by hand', 'large header']);
      const header = (n: number): unknown => seen.deliveries[n]?.message.header.toJSON();
      assert.deepEqual(header(3), { 'Content-Type': 'text/plain' });
      assert.deepEqual(header(4), {});
      await until(async () => (await pending(bench)) === 0);
    }));

  it('is empty where an event was deleted while it waited to come again, and goes on', () =>
    RedisBench.with(async (bench) => {
      const broker = await started(bench.streams());
      const seen = new Seen();
      await broker.subscribe(
        'topic',
        (delivery) => {
          seen.handler(delivery);
          if (textIn(delivery) === 'x') delivery.nack({ delayMs: 200 });
          else delivery.ack();
        },
        { ...QUEUE, autoAck: false },
      );
      await broker.publish('topic', event('x'));
      await seen.holds('x');
      await bench.raw().xtrim(KEY, 'MAXLEN', 0);
      await until(async () => (await pending(bench)) === 0);
      await broker.publish('topic', event('y'));
      await seen.holds('y');
      assert.deepEqual(seen.texts, ['x', 'y']);
      assert.match(bench.log, /an event is gone from its stream/);
    }));
});
