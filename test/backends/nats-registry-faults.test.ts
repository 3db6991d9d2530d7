import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { NatsRegistry, type NatsRegistryOptions } from '../../src/registry/nats.js';
import type { Node, Registry, RegistryEvent, ServiceRecord } from '../../src/registry/registry.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { Child } from '../support/child.js';
import { failure, timed } from '../support/nats-bench.js';
import { NatsServer, type NatsServerOptions } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { RawNats } from '../support/raw-nats.js';
import { churn } from './support/registry-churn.js';

const SECRET = 'hunter2';

/** Makes registries at a server, and stops them all. */
class Registries {
  readonly server: NatsServer;
  readonly logger: TestLogger = parts().logger;
  readonly #made: NatsRegistry[] = [];

  private constructor(server: NatsServer) {
    this.server = server;
  }

  static async with(
    run: (registries: Registries) => Promise<void>,
    options?: NatsServerOptions,
  ): Promise<void> {
    const registries = new Registries(await NatsServer.start(options));
    try {
      await run(registries);
    } finally {
      for (const registry of registries.#made) await registry.stop();
      await registries.server.stop();
    }
  }

  make(options: NatsRegistryOptions = {}): NatsRegistry {
    const addresses = [this.server.address];
    const registry = new NatsRegistry({ addresses, ...options }, { ...parts(), logger: this.logger });
    this.#made.push(registry);
    return registry;
  }

  async started(options?: NatsRegistryOptions): Promise<NatsRegistry> {
    const registry = this.make(options);
    await registry.start();
    return registry;
  }
}

function node(id: string): Node {
  return { id, address: '127.0.0.1:4000', metadata: { protocol: 'mucp' } };
}

function service(name: string, ...nodes: readonly Node[]): ServiceRecord {
  return { name, version: '1', metadata: {}, endpoints: [], nodes };
}

async function ids(registry: Registry, name: string): Promise<string[]> {
  return (await registry.getService(name)).flatMap(({ nodes }) => nodes.map(({ id }) => id)).sort();
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** What a watch tells, as it tells it. */
class Told {
  readonly all: string[] = [];
  #wake = (): void => {};

  constructor(changes: AsyncIterable<RegistryEvent>) {
    void this.#read(changes);
  }

  async holds(count: number): Promise<string[]> {
    while (this.all.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.all;
  }

  async #read(changes: AsyncIterable<RegistryEvent>): Promise<void> {
    for await (const {
      action,
      service: { nodes },
    } of changes) {
      this.all.push(`${action} ${nodes.map(({ id }) => id).join()}`);
      this.#wake();
    }
  }
}

describe('the start of the nats registry', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    Registries.with(async (registries) => {
      await registries.server.kill();
      const registry = registries.make({ connectTimeoutMs: 300 });
      const error = await failure(() => registry.start());
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /the nats registry found no NATS server at .* within \d+ ms/);
      await registries.server.restart();
      await registry.start();
      assert.deepEqual(await registry.getService('nobody'), []);
    }));

  it('fails at once for a wrong password, says that word, and shows no secret', () =>
    Registries.with(
      async (registries) => {
        const error = await failure(() => registries.make({ user: 'ada', pass: `${SECRET}-not` }).start());
        assert.equal(error.code, 'unauthenticated');
        const known = await registries.started({ user: 'ada', pass: SECRET });
        await known.register(service('greeter', node('a')));
        assert.ok(!inspect([error, known, registries.logger.records], { depth: 10 }).includes(SECRET));
      },
      { args: ['--user', 'ada', '--pass', SECRET] },
    ));

  it('lets a register say so where the server forbids to tell of it', () =>
    Registries.with(
      async (registries) => {
        const registry = await registries.started({ user: 'ada', pass: 'x' });
        const error = await failure(() => registry.register(service('greeter', node('a'))));
        assert.equal(error.code, 'permission_denied');
        assert.match(error.message, /micro\.registry\.nats\.watch/);
      },
      {
        config:
          'authorization { users: [ { user: ada, password: x, permissions: { publish: { deny: "micro.registry.nats.watch" } } } ] }',
      },
    ));
});

describe('the nats registry', () => {
  it('lists 1,000 nodes of one service within 250 ms, whoever has them', (t) =>
    Registries.with(async (registries) => {
      const nodes = Array.from({ length: 1_000 }, (_, n) => node(`node-${n}`));
      const owners = await Promise.all(Array.from({ length: 10 }, () => registries.started()));
      await Promise.all(
        owners.map((owner, n) =>
          Promise.all(
            nodes.slice(n * 100, n * 100 + 100).map((each) => owner.register(service('greeter', each))),
          ),
        ),
      );
      const asker = await registries.started();
      const times: number[] = [];
      for (let n = 0; n < 5; n++)
        times.push(await timed(async () => assert.equal((await ids(asker, 'greeter')).length, 1_000)));
      t.diagnostic(`1,000 nodes of 10 registries: ${times.map(Math.round).join(', ')} ms`);
      assert.ok(Math.min(...times) < 250, times.join());
      const quorum = await registries.started({ quorum: 1_000 });
      const ms = await timed(() => quorum.getService('greeter'));
      t.diagnostic(`with a quorum: ${Math.round(ms)} ms`);
    }));

  it('knows at once that nobody has nodes', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started({ timeoutMs: 10_000 });
      const ms = await timed(async () => assert.deepEqual(await registry.getService('nobody'), []));
      assert.ok(ms < 1_000, `${ms} ms`);
    }));

  it('takes a node of a killed process for dead, by a list at once, by a watch within its TTL and 5 s', (t) =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      const told = new Told(registry.watch({ service: 'greeter' }));
      await registry.getService('greeter');
      const ttlMs = 2_000;
      const child = Child.start('backends/peers/nats-registry.js', [
        registries.server.address,
        'greeter',
        'mortal',
        String(ttlMs),
      ]);
      await child.next('registered');
      assert.deepEqual(await told.holds(1), ['create mortal']);
      assert.deepEqual(await ids(registry, 'greeter'), ['mortal']);
      const killed = performance.now();
      await child.end('SIGKILL');
      await until(async () => (await ids(registry, 'greeter')).length === 0);
      assert.ok(performance.now() - killed < 1_000);
      assert.deepEqual(await told.holds(2), ['create mortal', 'delete mortal']);
      const ms = performance.now() - killed;
      t.diagnostic(`gone from a watch ${Math.round(ms)} ms after the kill, with a TTL of ${ttlMs} ms`);
      assert.ok(ms < ttlMs + 5_000, `${ms} ms`);
    }));

  it('keeps a silent node in a watch that answers when it is asked', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      const told = new Told(registry.watch());
      await registry.getService('greeter');
      const raw = await RawNats.open(registries.server.address);
      raw.hear('micro.registry.nats.query');
      await raw.flush();
      const record = (id: string): string =>
        `{"name":"greeter","version":"1","nodes":[{"id":"${id}","address":"a","metadata":null,"ttlMs":300}]}`;
      for (const id of ['answers', 'silent'])
        raw.say('micro.registry.nats.watch', `{"Service":${record(id)},"Action":"create"}`);
      let asked = 0;
      void (async () => {
        for (;;) {
          const { reply = '' } = await raw.next();
          asked++;
          raw.say(reply, record('answers'));
        }
      })();
      assert.deepEqual(await told.holds(3), ['create answers', 'create silent', 'delete silent']);
      assert.ok(asked >= 5, `asked ${asked} times`);
      await raw.close();
    }));

  it('passes over what is no question, no answer and no change', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      await registry.register(service('greeter', node('a')));
      const told = new Told(registry.watch());
      await registry.getService('greeter');
      const raw = await RawNats.open(registries.server.address);
      const hostile = [
        '',
        'no JSON',
        'null',
        '[]',
        '{"Service":null,"Action":"get"}',
        '{"Service":{"name":5},"Action":"get"}',
        '{"Service":{"name":"greeter"},"Action":"create"}',
        '{"Service":{"name":"greeter","version":"1","nodes":[null,5,{"id":5}]},"Action":"create"}',
        '{"Service":{"name":"greeter","version":"1","nodes":[{"id":"x","address":"x"}]},"Action":"explode"}',
        '{"Service":{"name":"__proto__","version":"1","nodes":[{"id":"__proto__","address":"x","metadata":{"__proto__":"x"}}]},"Action":"delete"}',
        `{"Service":${'{"name":'.repeat(10_000)}`,
      ];
      for (const each of hostile)
        for (const topic of ['micro.registry.nats.query', 'micro.registry.nats.watch']) {
          raw.say(topic, each);
          raw.say(topic, each, 'somewhere');
        }
      await raw.flush();
      await registry.register(service('greeter', node('b')));
      assert.deepEqual(await told.holds(1), ['create b']);
      assert.deepEqual(await ids(registry, 'greeter'), ['a', 'b']);
      await raw.close();
    }));

  it('answers questions that never end without keeping what it cannot send', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      const big = { ...node('big'), metadata: { text: 'x'.repeat(100_000) } };
      await registry.register(service('greeter', big));
      const raw = await RawNats.open(registries.server.address);
      await registries.server.pause();
      const before = process.memoryUsage().rss;
      for (let n = 0; n < 5_000; n++)
        raw.say('micro.registry.nats.query', '{"Service":null,"Action":"list"}', 'nowhere');
      registries.server.resume();
      await raw.flush();
      await until(async () => (await ids(registry, 'greeter')).length === 1);
      const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
      assert.ok(grown < 200, `${grown} MB`);
      await raw.close();
    }));
});

describe('the nats registry and a server that dies', () => {
  it('keeps nodes through it, tells a watch of none, and is found again at once when it is back', (t) =>
    Registries.with(async (registries) => {
      const [owner, watcher] = [await registries.started(), await registries.started()];
      await owner.register(service('greeter', node('a')), { ttlMs: 60_000 });
      const told = new Told(watcher.watch());
      await watcher.getService('greeter');
      const times: number[] = [];
      for (let round = 0; round < 3; round++) {
        await registries.server.kill();
        for (const failing of [
          () => watcher.getService('greeter'),
          () => owner.register(service('greeter', node('a')), { ttlMs: 60_000 }),
        ])
          assert.equal((await failure(failing)).code, 'unavailable');
        await registries.server.restart();
        times.push(
          await timed(() => until(async () => (await ids(watcher, 'greeter').catch(() => [])).length === 1)),
        );
      }
      t.diagnostic(`found again ${times.map(Math.round).join(', ')} ms after the port is open`);
      assert.ok(Math.max(...times) < 3_000, times.join());
      // Longer than it takes to give a node up.
      await new Promise((resolve) => setTimeout(resolve, 4_500));
      assert.deepEqual(told.all, []);
    }));

  it('tells of a node that was taken away meanwhile', () =>
    Registries.with(async (registries) => {
      const [owner, watcher] = [await registries.started(), await registries.started()];
      await owner.register(service('greeter', node('a'), node('b')));
      const told = new Told(watcher.watch());
      await watcher.getService('greeter');
      await registries.server.kill();
      assert.equal(
        (await failure(() => owner.deregister(service('greeter', node('a'))))).code,
        'unavailable',
      );
      await registries.server.restart();
      assert.deepEqual(await told.holds(1), ['delete a']);
      await until(async () => (await ids(watcher, 'greeter').catch(() => [])).join() === 'b');
    }));

  it('gets over one that hangs for 10 s, without telling of anything', () =>
    Registries.with(async (registries) => {
      const [owner, watcher] = [await registries.started(), await registries.started()];
      await owner.register(service('greeter', node('a')), { ttlMs: 5_000 });
      const renewing = setInterval(
        () => void owner.register(service('greeter', node('a')), { ttlMs: 5_000 }).catch(() => {}),
        1_000,
      );
      const told = new Told(watcher.watch());
      await watcher.getService('greeter');
      await registries.server.pause();
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      registries.server.resume();
      const ms = await timed(() =>
        until(async () => (await ids(watcher, 'greeter').catch(() => [])).length === 1),
      );
      assert.ok(ms < 3_000, `${ms} ms`);
      await new Promise((resolve) => setTimeout(resolve, 4_500));
      clearInterval(renewing);
      assert.deepEqual(told.all, []);
    }));

  it('holds a view that is a fresh list after 200 changes with kills and a freeze between', async (t) => {
    const server = await NatsServer.start();
    try {
      const report = await churn({
        fresh: () => new NatsRegistry({ addresses: [server.address] }, parts()),
        server,
        disasters: ['restart', 'empty', 'freeze', 'restart'],
      });
      t.diagnostic(JSON.stringify(report));
    } finally {
      await server.stop();
    }
  });
});
