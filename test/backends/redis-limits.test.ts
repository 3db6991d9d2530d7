import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { TestApp } from '../../src/testing/test-app.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { ratelimit, type RateLimit, type RateLimitOptions } from '../../src/wrapper/ratelimit.js';
import { redisStore, type RedisStoreOptions } from '../../src/wrapper/redis-store.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { Child } from '../support/child.js';
import { failure, RedisBench, timed, until } from '../support/redis-bench.js';

/** A service whose limit is in Redis. */
class Limited implements AsyncDisposable {
  readonly limit: RateLimit;
  readonly app: TestApp;

  private constructor(limit: RateLimit, app: TestApp) {
    this.limit = limit;
    this.app = app;
  }

  static async start(
    bench: RedisBench,
    options: Partial<RateLimitOptions> = {},
    more: RedisStoreOptions = {},
  ): Promise<Limited> {
    const store = redisStore({ addresses: [bench.server.address], ...more });
    const limit = ratelimit({ perSecond: 0.01, burst: 3, by: 'all', store, ...options });
    const app = await TestApp.create({
      services: [Probe],
      server: rpcServer({ wrappers: [limit] }),
      client: rpcClient({ retries: 0 }),
      logger: () => bench.logger,
    }).start();
    return new Limited(limit, app);
  }

  /** Makes so many calls, one after the other, and gives the codes that they had. */
  async calls(count: number): Promise<string[]> {
    const codes: string[] = [];
    for (let n = 0; n < count; n++)
      codes.push(
        await this.app
          .client(ProbeClient)
          .echo({})
          .then(
            () => 'ok',
            (reason: unknown) => OctavoError.from(reason).code,
          ),
      );
    return codes;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.app.stop();
  }
}

const [OK, MUCH, GONE] = ['ok', 'resource_exhausted', 'unavailable'];

describe('a limit in redis', () => {
  it('is one limit for two processes that call as fast as they can', () =>
    RedisBench.with(async ({ server }) => {
      const [perSecond, burst] = [50, 20];
      const children = [1, 2].map(() =>
        Child.start('backends/peers/redis-limited.js', [server.address, String(perSecond), String(burst)]),
      );
      await Promise.all(children.map((child) => child.next('ready')));
      const counting = children.map((child) =>
        child.next<{ through: number; refused: number; begun: number; ended: number }>('counted'),
      );
      for (const child of children) child.process.send('go');
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      for (const child of children) child.process.send('stop');
      const counted = await Promise.all(counting);
      await Promise.all(children.map((child) => child.ended));
      const through = counted.reduce((sum, each) => sum + each.through, 0);
      const begun = Math.min(...counted.map((each) => each.begun));
      const ended = Math.max(...counted.map((each) => each.ended));
      const most = burst + (perSecond * (ended - begun)) / 1_000;
      assert.ok(through <= most + 1 && through > 0.8 * most, `${through} of ${most}`);
      for (const each of counted) assert.ok(each.through > 0 && each.refused > 0, inspect(counted));
    }));

  it('lets a burst in, then so many a second, and says when to come again', () =>
    RedisBench.with(async (bench) => {
      await using one = await Limited.start(bench, { perSecond: 4, burst: 2 });
      await using other = await Limited.start(bench, { perSecond: 4, burst: 2 });
      assert.deepEqual(await one.calls(1), [OK]);
      assert.deepEqual(await other.calls(1), [OK]);
      const error = await failure(() => one.app.client(ProbeClient).echo({}));
      assert.equal(error.code, MUCH);
      const { retryAfterMs = 0 } = error;
      assert.ok(retryAfterMs > 0 && retryAfterMs <= 250, `${retryAfterMs} ms`);
      assert.equal(error.executed, false);
      // Not a moment before it was told.
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
      assert.deepEqual(await other.calls(1), [OK]);
      assert.equal(one.limit.stats().refused, 1);
    }));

  it('goes by the server’s clock, and not by the app’s', () =>
    RedisBench.with(async (bench) => {
      const clock = new VirtualClock();
      const limit = ratelimit({
        perSecond: 0.01,
        burst: 1,
        by: 'all',
        store: redisStore({ addresses: [bench.server.address] }),
      });
      await using app = await TestApp.create({
        services: [Probe],
        server: rpcServer({ wrappers: [limit], requestTimeoutMs: 0 }),
        client: rpcClient({ retries: 0, requestTimeoutMs: 0 }),
        clock: () => clock,
      }).start();
      await app.client(ProbeClient).echo({});
      await clock.advance(3_600_000);
      assert.equal((await failure(() => app.client(ProbeClient).echo({}))).code, MUCH);
    }));

  it('is kept apart by name, rate and prefix, and leaves nothing behind when its buckets are full', () =>
    RedisBench.with(async (bench) => {
      const raw = bench.raw();
      const rate = { perSecond: 20, burst: 1 };
      await using one = await Limited.start(bench, { ...rate, by: () => 'x'.repeat(10_000) });
      await using two = await Limited.start(bench, { ...rate, by: () => `${'x'.repeat(9_999)}y` });
      await using three = await Limited.start(bench, { ...rate, by: () => 'short' });
      await using four = await Limited.start(bench, { ...rate, by: () => 'short' }, { prefix: 'other:' });
      for (const each of [one, two, three, four]) assert.deepEqual(await each.calls(1), [OK]);
      const keys = await raw.keys('*');
      assert.ok(keys.every((key) => /^(octavo|other):limit:20\/1:/.test(key) && key.length < 200));
      await until(async () => (await raw.keys('*')).length === 0);
    }));

  it('holds rates that are no whole numbers', () =>
    RedisBench.with(async (bench) => {
      await using slow = await Limited.start(bench, { perSecond: 0.5, burst: 1.5 });
      assert.deepEqual(await slow.calls(2), [OK, MUCH]);
      await using quick = await Limited.start(bench, { perSecond: 1_000_000, burst: 1 });
      assert.deepEqual(
        await quick.calls(20),
        Array.from({ length: 20 }, () => OK),
      );
    }));

  const choices = [
    ['local', [OK, OK, OK, MUCH]],
    ['open', [OK, OK, OK, OK]],
    ['closed', [GONE, GONE, GONE, GONE]],
  ] as const;
  for (const [whenDown, expected] of choices)
    it(`is ${whenDown} while a killed server is down, and shared again when it is back`, () =>
      RedisBench.with(async (bench) => {
        await using one = await Limited.start(bench, { whenDown });
        assert.deepEqual(await one.calls(4), [OK, OK, OK, MUCH]);
        await bench.server.kill();
        const ms = await timed(async () => assert.deepEqual(await one.calls(4), expected));
        assert.ok(ms < 2_000, `${ms} ms`);
        assert.equal(one.limit.stats().failed, 4);
        const warned = bench.logger.records.filter(({ message }) => message.includes('cannot be known'));
        assert.equal(warned.length, 1, 'it is said once');
        await bench.server.restart();
        await until(async () => {
          const { failed } = one.limit.stats();
          await one.calls(1);
          return one.limit.stats().failed === failed;
        });
        // The server has kept what was taken before the kill.
        assert.deepEqual(await one.calls(1), [MUCH]);
      }));

  it('waits no longer than it may for a server that hangs', () =>
    RedisBench.with(async (bench) => {
      await using one = await Limited.start(bench, { whenDown: 'closed' }, { timeoutMs: 100 });
      assert.deepEqual(await one.calls(1), [OK]);
      await bench.server.pause();
      const ms = await timed(async () => assert.deepEqual(await one.calls(3), [GONE, GONE, GONE]));
      assert.ok(ms >= 280 && ms < 2_000, `${ms} ms`);
      bench.server.resume();
      await until(async () => (await one.calls(1))[0] !== GONE);
    }));

  it('does not keep an app from starting without its server, and is shared when that comes', () =>
    RedisBench.with(async (bench) => {
      await bench.server.kill();
      await using one = await Limited.start(bench, {}, { connectTimeoutMs: 300 });
      assert.deepEqual(await one.calls(4), [OK, OK, OK, MUCH]);
      await bench.server.restart();
      await until(() => bench.log.includes('found the Redis server'));
      assert.deepEqual(await one.calls(4), [OK, OK, OK, MUCH]);
    }));

  it('keeps an app from starting where it is required, and says why', () =>
    RedisBench.with(async (bench) => {
      await bench.server.kill();
      const error = await failure(() => Limited.start(bench, {}, { connectTimeoutMs: 300, required: true }));
      assert.equal(error.code, GONE);
      assert.match(error.message, /the redis store found no Redis server at .*: start one/);
    }));

  it('fails the start where the server does not know it, and shows no password', () =>
    RedisBench.with(
      async (bench) => {
        const SECRET = 'hunter2@/:';
        const error = await failure(() => Limited.start(bench, {}, { pass: 'mistyped-pass' }));
        assert.equal(error.code, 'unauthenticated');
        await using one = await Limited.start(bench, { whenDown: 'closed' }, { pass: SECRET });
        assert.deepEqual(await one.calls(1), [OK]);
        await bench.server.kill();
        const down = await failure(() => one.app.client(ProbeClient).echo({}));
        const shown = inspect([error, down, bench.logger.records], { depth: 10 });
        assert.ok(!shown.includes(SECRET) && !shown.includes('mistyped-pass'), shown);
        assert.ok(!down.message.includes(String(bench.server.port)), 'nor does the caller learn where it is');
      },
      { config: ['requirepass "hunter2@/:"'] },
    ));

  it('needs no more rights than the docs say', () =>
    RedisBench.with(
      async (bench) => {
        await using one = await Limited.start(bench, { whenDown: 'closed' }, { user: 'ada', pass: 'x' });
        assert.deepEqual(await one.calls(4), [OK, OK, OK, MUCH]);
      },
      { config: ['user ada on >x ~octavo:* +ping +eval +evalsha +get +set +del +time'] },
    ));

  it('closes its connection with the last app that has it', () =>
    RedisBench.with(async (bench) => {
      const raw = bench.raw();
      const clients = async (): Promise<number> =>
        (String(await raw.client('LIST')).match(/name=octavo/g) ?? []).length;
      const store = redisStore({ addresses: [bench.server.address] });
      const one = await Limited.start(bench, { store });
      const two = await Limited.start(bench, { store });
      assert.equal(await clients(), 1);
      await one.app.stop();
      assert.deepEqual(await two.calls(1), [OK]);
      await two.app.stop();
      await until(async () => (await clients()) === 0);
      await one.app.start();
      assert.deepEqual(await one.calls(1), [OK]);
      await one.app.stop();
    }));
});
