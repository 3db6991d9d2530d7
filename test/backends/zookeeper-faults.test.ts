import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import { createClient, CreateMode, type Client } from 'node-zookeeper-client';
import type { OctavoError } from '../../src/core/error.js';
import type { ServiceRecord } from '../../src/registry/registry.js';
import { ZooKeeperRegistry, type ZooKeeperOptions } from '../../src/registry/zookeeper.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { Child } from '../support/child.js';
import { failure, timed } from '../support/nats-bench.js';
import { parts } from '../support/parts.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';
import { churn } from './support/registry-churn.js';

const SECRET = 'hunter2';
/** The least that the test's server grants. */
const SHORT = { sessionTimeoutMs: 1_500 };

/** Makes registries at a server, and stops them all. */
class Bench {
  readonly server: ZooKeeperServer;
  readonly logger: TestLogger = parts().logger;
  readonly #made: ZooKeeperRegistry[] = [];

  private constructor(server: ZooKeeperServer) {
    this.server = server;
  }

  static async with(run: (bench: Bench) => Promise<void>): Promise<void> {
    const bench = new Bench(await ZooKeeperServer.start());
    try {
      await run(bench);
    } finally {
      for (const registry of bench.#made) registry.stop();
      await bench.server.stop();
    }
  }

  make(options: ZooKeeperOptions = {}): ZooKeeperRegistry {
    const registry = new ZooKeeperRegistry(
      { addresses: [this.server.address], ...options },
      { ...parts(), logger: this.logger },
    );
    this.#made.push(registry);
    return registry;
  }

  async started(options: ZooKeeperOptions = {}): Promise<ZooKeeperRegistry> {
    const registry = this.make(options);
    await registry.start();
    return registry;
  }

  /** Another client, straight from the library. */
  async raw(run: (client: Client) => Promise<void>): Promise<void> {
    const client = createClient(this.server.address);
    await new Promise<void>((resolve) => {
      client.once('connected', resolve);
      client.connect();
    });
    try {
      await run(client);
    } finally {
      client.close();
    }
  }
}

function greeter(...ids: readonly string[]): ServiceRecord {
  const nodes = ids.map((id) => ({ id, address: '127.0.0.1:4000', metadata: {} }));
  return { name: 'greeter', version: '1', metadata: {}, endpoints: [], nodes };
}

async function ids(registry: ZooKeeperRegistry): Promise<string> {
  const found = await registry.getService('greeter');
  return found.flatMap(({ nodes }) => nodes.map(({ id }) => id)).join();
}

/** How long it takes until these are the nodes of a service; what fails is asked again. */
async function until(registry: ZooKeeperRegistry, wanted: string): Promise<number> {
  return timed(async () => {
    while ((await ids(registry).catch(() => undefined)) !== wanted) await wait(10);
  });
}

function promised(run: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) =>
    run((error) => (error ? reject(new Error(inspect(error))) : resolve())),
  );
}

describe('the start of the zookeeper registry', () => {
  it('says what it tried, and for how long, where there is no server, and works once there is one', () =>
    Bench.with(async (bench) => {
      await bench.server.kill();
      const registry = bench.make({ connectTimeoutMs: 600 });
      let error: OctavoError | undefined;
      const ms = await timed(async () => (error = await failure(() => registry.start())));
      assert.ok(ms > 500 && ms < 1_500, `${ms} ms`);
      assert.equal(error?.code, 'unavailable');
      assert.match(
        error?.message ?? '',
        new RegExp(`no ZooKeeper server at ${bench.server.address} within 600 ms`),
      );
      await bench.server.restart();
      while (
        await registry.start().then(
          () => false,
          () => true,
        )
      );
      await registry.register(greeter('a'));
      assert.equal(await ids(registry), 'a');
    }));

  it('waits for a server that comes up meanwhile', () =>
    Bench.with(async (bench) => {
      await bench.server.kill();
      const starting = bench.started({ connectTimeoutMs: 20_000 });
      await bench.server.restart();
      await starting;
    }));

  it('does not go on when it is stopped meanwhile', () =>
    Bench.with(async (bench) => {
      await bench.server.kill();
      const registry = bench.make();
      const starting = failure(() => registry.start());
      await wait(20);
      registry.stop();
      assert.equal((await starting).code, 'unavailable');
    }));

  it('fails at once for a wrong password, and for none, and says that word', () =>
    Bench.with(async (bench) => {
      const right = await bench.started({ user: 'ada', pass: SECRET });
      await right.register(greeter('a'));
      for (const wrong of [{ user: 'ada', pass: `${SECRET}-not` }, {}]) {
        let error: OctavoError | undefined;
        const ms = await timed(async () => (error = await failure(() => bench.make(wrong).start())));
        assert.ok(ms < 1_000, `${ms} ms`);
        assert.equal(error?.code, 'unauthenticated');
        assert.match(error?.message ?? '', /wrong user or password/);
      }
      const same = await bench.started({ addresses: [`ada:${SECRET}@${bench.server.address}`] });
      assert.equal(await ids(same), 'a');
    }));

  it('never shows what is secret, whatever happens', () =>
    Bench.with(async (bench) => {
      const addresses = [`ada:${SECRET}@${bench.server.address}`];
      const registry = await bench.started({ addresses });
      await bench.server.kill();
      const errors = [
        await failure(() => registry.register(greeter('a'))),
        await failure(() => bench.make({ addresses, connectTimeoutMs: 100 }).start()),
        await failure(() => bench.make({ addresses: [`ada:${SECRET}@nowhere:x`] })),
      ];
      for (const said of [...errors, bench.logger.records, registry.options])
        assert.ok(!inspect(said, { depth: 10 }).includes(SECRET), inspect(said));
    }));
});

describe('a ZooKeeper server that is killed', () => {
  it('and comes back with its data: the nodes stay', () =>
    Bench.with(async (bench) => {
      const registry = await bench.started();
      await registry.register(greeter('a', 'b'));
      await bench.server.kill();
      assert.equal((await failure(() => registry.getService('greeter'))).code, 'unavailable');
      await bench.server.restart();
      const ms = await until(registry, 'a,b');
      assert.ok(ms < 10_000, `${ms} ms`);
    }));

  it('and comes back empty: what is registered is there again at once, without a renewal', () =>
    Bench.with(async (bench) => {
      const [registry, other] = [await bench.started(), await bench.started()];
      await registry.register(greeter('a', 'b'));
      await bench.server.kill();
      await bench.server.restart({ empty: true });
      const ms = await until(other, 'a,b');
      assert.ok(ms < 10_000, `${ms} ms`);
    }));

  it('time and again: no client of many is left behind', () =>
    Bench.with(async (bench) => {
      const registries = await Promise.all(Array.from({ length: 12 }, () => bench.started()));
      const all = registries.map((_, n) => `n${String(n).padStart(2, '0')}`);
      for (const [n, registry] of registries.entries()) await registry.register(greeter(all[n] ?? ''));
      for (const empty of [false, true]) {
        await bench.server.kill();
        await bench.server.restart({ empty });
        for (const registry of registries) {
          const ms = await until(registry, all.join());
          assert.ok(ms < 15_000, `${ms} ms`);
        }
      }
    }));

  it('forgets what was deregistered, or expired, while it was away', () =>
    Bench.with(async (bench) => {
      const registry = await bench.started();
      await registry.register(greeter('a', 'b'));
      await registry.register(greeter('c'), { ttlMs: 300 });
      await bench.server.kill();
      await failure(() => registry.deregister(greeter('b')));
      await wait(400);
      await bench.server.restart();
      await until(registry, 'a');
    }));
});

describe('a ZooKeeper server that hangs', () => {
  it('is noticed; its sessions expire, and what was registered is there again', () =>
    Bench.with(async (bench) => {
      const [registry, other] = [await bench.started(SHORT), await bench.started(SHORT)];
      await registry.register(greeter('a'));
      await bench.server.pause();
      const ms = await timed(async () => {
        const error = await failure(() => registry.getService('greeter'));
        assert.equal(error.code, 'unavailable');
      });
      assert.ok(ms < 2_000, `${ms} ms`);
      await wait(3_000);
      bench.server.resume();
      const back = await until(other, 'a');
      assert.ok(back < 10_000, `${back} ms`);
      await registry.register(greeter('a', 'b'));
      assert.equal(await ids(other), 'a,b');
    }));

  it('does not keep a question or a stop up', () =>
    Bench.with(async (bench) => {
      const registry = await bench.started({ timeoutMs: 300 });
      await bench.server.pause();
      const ms = await timed(() => failure(() => registry.listServices()));
      assert.ok(ms < 1_000, `${ms} ms`);
      assert.ok((await timed(async () => registry.stop())) < 100);
      bench.server.resume();
    }));
});

describe('nodes in ZooKeeper', () => {
  it('go with the process that registered them', () =>
    Bench.with(async (bench) => {
      const registry = await bench.started();
      const args = ['zookeeper', bench.server.address, 'doomed', '1500'];
      const child = Child.start('backends/peers/registry-peer.js', args);
      await child.next('registered');
      assert.equal(await ids(registry), 'doomed');
      await child.end('SIGKILL');
      const ms = await until(registry, '');
      assert.ok(ms < 4_000, `${ms} ms`);
    }));

  it('go at once with a registry that stops', () =>
    Bench.with(async (bench) => {
      const [registry, other] = [await bench.started(), await bench.started()];
      await registry.register(greeter('a'));
      registry.stop();
      const ms = await until(other, '');
      assert.ok(ms < 2_000, `${ms} ms`);
    }));

  it('of another session, or of one that keeps them for ever, become those of who registers them', () =>
    Bench.with(async (bench) => {
      const registry = await bench.started();
      await registry.register(greeter('first'));
      await bench.raw(async (client) => {
        for (const [name, mode] of [
          ['a', CreateMode.EPHEMERAL],
          ['b', CreateMode.PERSISTENT],
        ] as const)
          await promised((done) =>
            client.create(`/micro-registry/greeter/${name}`, Buffer.from('{}'), mode, done),
          );
        await registry.register(greeter('a', 'b'));
      });
      // The raw client's session has ended.
      await wait(300);
      assert.equal(await ids(registry), 'a,b,first');
      registry.stop();
      const other = await bench.started();
      await until(other, '');
    }));

  it('that are no records, or those of others, are passed over', () =>
    Bench.with(async (bench) => {
      const registry = await bench.started();
      const changes = registry.watch()[Symbol.asyncIterator]();
      await registry.register(greeter('a'));
      await bench.raw(async (client) => {
        const record = JSON.stringify({ ...greeter('x'), name: 'other' });
        for (const [n, text] of ['', '{', 'null', '[]', '{"name":1}', record, '\0'.repeat(900_000)].entries())
          await promised((done) =>
            client.create(`/micro-registry/greeter/junk-${n}`, Buffer.from(text), done),
          );
        await promised((done) => client.create('/micro-registry/empty', done));
      });
      assert.equal(await ids(registry), 'a');
      assert.deepEqual(await registry.listServices(), ['greeter']);
      await registry.deregister(greeter('a'));
      assert.deepEqual(await registry.listServices(), []);
      const told = [(await changes.next()).value, (await changes.next()).value].map(
        (event) => `${event?.action} ${event?.service.nodes[0]?.id}`,
      );
      assert.deepEqual(told, ['create a', 'delete a']);
    }));

  it('that are too large are refused, and nothing else is harmed', () =>
    Bench.with(async (bench) => {
      const registry = await bench.started();
      await registry.register(greeter('a'));
      const metadata = { large: 'x'.repeat(1_000_000) };
      const error = await failure(() => registry.register({ ...greeter('b'), metadata }));
      assert.equal(error.code, 'resource_exhausted');
      assert.equal((await failure(() => registry.register(greeter('..')))).code, 'invalid_argument');
      assert.equal(await ids(registry), 'a');
    }));

  it('are listed within 500 ms, a thousand of one service', () =>
    Bench.with(async (bench) => {
      const [registry, other] = [await bench.started(), await bench.started()];
      await registry.register(greeter(...Array.from({ length: 1_000 }, (_, n) => `node-${n}`)));
      await other.getService('greeter');
      let found = 0;
      const times: number[] = [];
      for (let round = 0; round < 3; round++)
        times.push(
          await timed(async () => (found = (await other.getService('greeter'))[0]?.nodes.length ?? 0)),
        );
      assert.equal(found, 1_000);
      assert.ok(Math.min(...times) < 500, `${times.join()} ms`);
    }));
});

describe('a watch of the zookeeper registry', () => {
  it('is what a fresh list is, whatever happened to the server and to sessions', () =>
    Bench.with(async (bench) => {
      const fresh = (): ZooKeeperRegistry => bench.make({ sessionTimeoutMs: 3_000 });
      const { server } = bench;
      await churn({ fresh, server, disasters: ['restart', 'empty', 'freeze', 'restart'], freezeMs: 10_000 });
    }));
});
