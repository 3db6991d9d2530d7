import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { OctavoError } from '../../../src/core/error.js';
import type { Registry, RegistryEvent, ServiceRecord } from '../../../src/registry/registry.js';
import { Child } from '../../support/child.js';
import type { FrailServer } from './registry-churn.js';

export interface FaultsBench {
  /** As `MICRO_REGISTRY` has it. */
  readonly name: string;
  /** What errors call the server. */
  readonly server: string;
  readonly start: () => Promise<FrailServer & { readonly address: string; stop(): Promise<void> }>;
  readonly make: (address: string, options?: { connectTimeoutMs?: number }) => Registry;
  /** The shortest time to live that it has, in milliseconds. */
  readonly leastTtlMs: number;
  /** How long after it was killed and is ready again a server answers all of its questions, in milliseconds. */
  readonly recoversMs: number;
}

type Server = Awaited<ReturnType<FaultsBench['start']>>;

/** A server, and registries on it, that are gone after the test. */
class Stage {
  readonly server: Server;
  readonly #bench: FaultsBench;
  readonly #registries: Registry[] = [];

  constructor(server: Server, bench: FaultsBench) {
    this.server = server;
    this.#bench = bench;
  }

  make(options?: { connectTimeoutMs?: number }): Registry {
    const registry = this.#bench.make(this.server.address, options);
    this.#registries.push(registry);
    return registry;
  }

  async started(): Promise<Registry> {
    const registry = this.make();
    await registry.start();
    return registry;
  }

  async close(): Promise<void> {
    for (const registry of this.#registries) await registry.stop();
    await this.server.stop();
  }
}

/** What any registry on a server has to get over. */
export function registryFaults(bench: FaultsBench): void {
  const on = (run: (stage: Stage, say: (text: string) => void) => Promise<void>) => {
    return async (t: { diagnostic(text: string): void }): Promise<void> => {
      const stage = new Stage(await bench.start(), bench);
      try {
        await run(stage, (text) => t.diagnostic(`${bench.name}: ${text}`));
      } finally {
        await stage.close();
      }
    };
  };

  it(
    'fails its start where nobody is, saying what was tried and for how long, and starts when somebody is',
    on(async (stage) => {
      await stage.server.kill();
      const registry = stage.make({ connectTimeoutMs: 600 });
      const begin = Date.now();
      const error = await failure(registry.start());
      assert.ok(Date.now() - begin < 3_000, `${Date.now() - begin} ms`);
      assert.equal(error.code, 'unavailable');
      assert.match(
        error.message,
        new RegExp(
          `the ${bench.name} registry found no ${bench.server} at ${stage.server.address} within \\d+ ms: `,
        ),
      );
      await stage.server.restart();
      await registry.start();
      await registry.register(record('a'));
    }),
  );

  it(
    'waits at its start for a server that comes up meanwhile, and not when it is stopped',
    on(async (stage) => {
      await stage.server.kill();
      const stopped = stage.make({ connectTimeoutMs: 20_000 });
      const overtaken = failure(stopped.start());
      const starting = stage.make({ connectTimeoutMs: 20_000 }).start();
      await stopped.stop();
      assert.equal((await overtaken).code, 'unavailable');
      await stage.server.restart();
      await starting;
    }),
  );

  it(
    'keeps nodes, and its watches, where the server is killed and remembers',
    on(async (stage, say) => {
      const [registry, other] = [await stage.started(), await stage.started()];
      await registry.register(record('a'), { ttlMs: 60_000 });
      await eventually(other, ['a']);
      const told = new Told(other.watch({ service: 'greeter' }));
      await registry.register(record('b'), { ttlMs: 60_000 });
      await told.until('create b');
      await stage.server.kill();
      const error = await failure(registry.register(record('c')));
      assert.equal(error.code, 'unavailable', error.message);
      await failure(other.getService('greeter') as Promise<unknown>);
      await stage.server.restart();
      const begin = Date.now();
      await patiently(() => registry.register(record('c'), { ttlMs: 60_000 }));
      say(`registers ${Date.now() - begin} ms after the server is ready again`);
      await told.until('create c');
      const ms = Date.now() - begin;
      say(`watches ${ms} ms after the server is ready again`);
      assert.ok(ms < bench.recoversMs, `${ms} ms`);
      for (const id of ['a', 'b']) await patiently(() => registry.register(record(id), { ttlMs: 60_000 }));
      await eventually(other, ['a', 'b', 'c']);
      assert.deepEqual(told.events, ['create b', 'create c']);
    }),
  );

  it(
    'has its nodes back, and tells of it, where the server is killed and remembers nothing',
    on(async (stage, say) => {
      const [registry, other] = [await stage.started(), await stage.started()];
      const told = new Told(other.watch({ service: 'greeter' }));
      await registry.register(record('a'), { ttlMs: 60_000 });
      await told.until('create a');
      await stage.server.kill();
      await stage.server.restart({ empty: true });
      const begin = Date.now();
      await eventually(other, ['a']);
      say(`nodes are back ${Date.now() - begin} ms after an empty server is ready`);
      assert.ok(Date.now() - begin < bench.recoversMs, `${Date.now() - begin} ms`);
      await registry.register(record('b'), { ttlMs: 60_000 });
      await told.until('create b');
      // Whether anybody saw that they were gone is a matter of who came first.
      assert.ok([2, 4].includes(told.events.length), told.events.join());
    }),
  );

  it(
    'gets over a server that hangs for 10 s, and waits for it no longer than it has to',
    on(async (stage, say) => {
      const [registry, other] = [await stage.started(), await stage.started()];
      const told = new Told(other.watch({ service: 'greeter' }));
      await registry.register(record('a'), { ttlMs: 60_000 });
      await told.until('create a');
      await stage.server.pause();
      const begin = Date.now();
      const errors = [
        await failure(registry.register(record('b'), { ttlMs: 60_000 })),
        await failure(other.getService('greeter') as Promise<unknown>),
      ];
      say(`two calls failed within ${Date.now() - begin} ms`);
      for (const { code, message } of errors) assert.equal(code, 'unavailable', message);
      assert.ok(Date.now() - begin < 9_500, `${Date.now() - begin} ms`);
      await wait(10_000 - (Date.now() - begin));
      stage.server.resume();
      const resumed = Date.now();
      await patiently(() => registry.register(record('b'), { ttlMs: 60_000 }));
      await told.until('create b');
      say(`a watch goes on ${Date.now() - resumed} ms after the server does`);
      await eventually(other, ['a', 'b']);
      assert.deepEqual(told.events, ['create a', 'create b']);
    }),
  );

  it(
    'stops at once, whether the server hangs or is gone',
    on(async (stage) => {
      const [first, second] = [await stage.started(), await stage.started()];
      for (const registry of [first, second]) {
        const told = new Told(registry.watch());
        await registry.register(record('a'), { ttlMs: 60_000 });
        await told.until('create a');
        await registry.deregister(record('a'));
        await told.until('delete a');
      }
      await stage.server.pause();
      const begin = Date.now();
      await first.stop();
      assert.ok(Date.now() - begin < 2_500, `${Date.now() - begin} ms`);
      await stage.server.kill();
      await second.stop();
      assert.ok(Date.now() - begin < 5_000, `${Date.now() - begin} ms`);
      await stage.server.restart();
    }),
  );

  it(
    'forgets the nodes of a process that was killed, within their time and 5 s',
    on(async (stage, say) => {
      const ttlMs = bench.leastTtlMs;
      const registry = await stage.started();
      const told = new Told(registry.watch({ service: 'greeter' }));
      const args = [bench.name, stage.server.address, 'doomed', String(ttlMs)];
      const child = Child.start('backends/peers/registry-peer.js', args);
      await child.next('registered');
      await told.until('create doomed');
      // It lives longer than its time, as it renews.
      await wait(2 * ttlMs);
      assert.deepEqual(await idsIn(registry), ['doomed']);
      await child.end('SIGKILL');
      const begin = Date.now();
      await eventually(registry, []);
      await told.until('delete doomed');
      say(`gone ${Date.now() - begin} ms after its process was killed, with a time to live of ${ttlMs} ms`);
      assert.ok(Date.now() - begin < ttlMs + 5_000, `${Date.now() - begin} ms`);
      assert.deepEqual(told.events, ['create doomed', 'delete doomed']);
    }),
  );

  it(
    'lists 1,000 nodes within 100 ms',
    on(async (stage, say) => {
      const registry = await stage.started();
      const ids = Array.from({ length: 1_000 }, (_, n) => `node-${n}`);
      const begin = Date.now();
      for (let n = 0; n < ids.length; n += 20)
        await Promise.all(ids.slice(n, n + 20).map((id) => registry.register(record(id))));
      say(`registered 1,000 nodes in ${Date.now() - begin} ms`);
      await eventually(registry, ids);
      let best = Infinity;
      for (let n = 0; n < 10; n++) {
        const asked = performance.now();
        const found = await registry.getService('greeter');
        best = Math.min(best, performance.now() - asked);
        assert.equal(found[0]?.nodes.length, 1_000);
      }
      say(`listed 1,000 nodes in ${best.toFixed(0)} ms`);
      assert.ok(best < 100, `${best} ms`);
    }),
  );
}

/** What a watch has told. */
export class Told {
  readonly events: string[] = [];
  #onEvent: () => void = () => {};

  constructor(changes: AsyncIterable<RegistryEvent>) {
    void this.#follow(changes);
  }

  /** Waits until this was told. */
  async until(event: string): Promise<void> {
    while (!this.events.includes(event)) await new Promise<void>((resolve) => (this.#onEvent = resolve));
  }

  async #follow(changes: AsyncIterable<RegistryEvent>): Promise<void> {
    try {
      for await (const { action, service } of changes) this.#take(`${action} ${service.nodes[0]?.id}`);
    } catch (error) {
      this.#take(String(error));
    }
  }

  #take(event: string): void {
    this.events.push(event);
    this.#onEvent();
  }
}

export function record(id: string): ServiceRecord {
  return {
    name: 'greeter',
    version: '1',
    metadata: {},
    endpoints: [
      {
        name: 'Greeter.Hello',
        request: { name: 'Request', type: 'Request', values: [{ name: 'name', type: 'string', values: [] }] },
        response: { name: 'Reply', type: 'Reply', values: [{ name: 'text', type: 'string', values: [] }] },
        metadata: {},
      },
    ],
    nodes: [{ id, address: '127.0.0.1:4000', metadata: { protocol: 'mucp', transport: 'http' } }],
  };
}

export async function failure(run: Promise<unknown> | void): Promise<OctavoError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof OctavoError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

/** Tries until it works. */
async function patiently(run: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await run();
    } catch {
      await wait(20);
    }
  }
}

async function idsIn(registry: Registry): Promise<string[]> {
  const found = await registry.getService('greeter');
  return found.flatMap(({ nodes }) => nodes.map(({ id }) => id)).sort();
}

/** Asks until these nodes are there, and no others. */
export async function eventually(registry: Registry, ids: readonly string[]): Promise<void> {
  const wanted = [...ids].sort().join();
  for (;;) {
    const found = await idsIn(registry).catch(() => ['?']);
    if (found.join() === wanted) return;
    await wait(20);
  }
}
