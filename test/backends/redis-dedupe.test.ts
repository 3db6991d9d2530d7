import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redis } from '../../src/broker/redis.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { TestApp } from '../../src/testing/test-app.js';
import { dedupe } from '../../src/wrapper/dedupe.js';
import { redisStore, type RedisStore, type RedisStoreOptions } from '../../src/wrapper/redis-store.js';
import { Ask, Probe } from '../conformance/probe.js';
import { failure, RedisBench, until } from '../support/redis-bench.js';

/** A store that is open, as an app opens it. */
async function opened(
  bench: RedisBench,
  run: (store: RedisStore) => Promise<void>,
  options: RedisStoreOptions = {},
): Promise<void> {
  const store = redisStore({ addresses: [bench.server.address], ...options });
  const app = await TestApp.create({
    services: [Probe],
    server: rpcServer({ subscriberWrappers: [dedupe({ store })] }),
    logger: () => bench.logger,
  }).start();
  try {
    await run(store);
  } finally {
    await app.stop();
  }
}

describe('handled events in redis', () => {
  it('are handled by one of the nodes that all get them', () =>
    RedisBench.with(async ({ server: { address } }) => {
      const node = (): Promise<TestApp> =>
        TestApp.create({
          services: [Probe],
          broker: redis({ addresses: [address] }),
          server: rpcServer({
            subscriberWrappers: [dedupe({ store: redisStore({ addresses: [address] }) })],
          }),
        }).start();
      const nodes = await Promise.all([node(), node(), node()]);
      const handled: string[] = [];
      for (const each of nodes) {
        const { events } = each.resolve(Probe);
        const fire = events.fire.bind(events);
        events.fire = (event) => {
          handled.push(event.text);
          fire(event);
        };
      }
      const sent = Array.from({ length: 50 }, (_, n) => String(n));
      for (const text of sent)
        await nodes[0]?.service().client.publish({ topic: 'things', body: { text }, type: Ask });
      await until(() => handled.length >= sent.length);
      await Promise.all(nodes.map((each) => each.stop()));
      assert.deepEqual(
        handled.toSorted((a, b) => Number(a) - Number(b)),
        sent,
      );
    }));

  it('are claimed by one process at a time, remembered when done and free when not', () =>
    RedisBench.with((bench) =>
      opened(bench, (one) =>
        opened(bench, async (other) => {
          const claims = await Promise.all([one, other, one, other].map((each) => each.claim('a', 60_000)));
          assert.deepEqual(claims.toSorted(), ['claimed', 'running', 'running', 'running']);
          await one.release('a');
          assert.equal(await other.claim('a', 60_000), 'claimed');
          await other.done('a', 60_000);
          assert.equal(await one.claim('a', 60_000), 'done');
          assert.equal(await one.claim('b', 60_000), 'claimed');
        }),
      ),
    ));

  it('are free again after the lease of a process that died, and forgotten in the end', () =>
    RedisBench.with((bench) =>
      opened(bench, async (store) => {
        assert.equal(await store.claim('a', 30), 'claimed');
        await until(async () => (await store.claim('a', 60_000)) === 'claimed');
        await store.done('a', 30);
        await until(async () => (await store.claim('a', 60_000)) === 'claimed');
      }),
    ));

  it('are known after a kill of the server, and nobody guesses while it is down', () =>
    RedisBench.with((bench) =>
      opened(bench, async (store) => {
        await store.claim('a', 60_000);
        await store.done('a', 60_000);
        await bench.server.kill();
        for (const ask of [
          () => store.claim('a', 60_000),
          () => store.done('a', 60_000),
          () => store.release('a'),
        ])
          assert.equal((await failure(ask)).code, 'unavailable');
        await bench.server.restart();
        const known = async (): Promise<string> => {
          try {
            return await store.claim('a', 60_000);
          } catch {
            return '';
          }
        };
        await until(async () => (await known()) !== '');
        assert.equal(await known(), 'done');
      }),
    ));

  it('cannot be asked for before an app runs', async () => {
    const error = await failure(() => redisStore().claim('a', 60_000));
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, /attach the wrapper to a service or a client/);
  });
});
