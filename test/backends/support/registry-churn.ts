import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { Node, Registry, RegistryEvent, ServiceRecord } from '../../../src/registry/registry.js';

/** A server that can be treated badly. */
export interface FrailServer {
  kill(): Promise<void>;
  /** Starts it again where it was, with what it had or as one that has nothing. */
  restart(options?: { empty?: boolean }): Promise<void>;
  pause(): Promise<void>;
  resume(): void;
}

/** What happens to the server between the changes. `custom` is what a backend has beside these. */
export type Disaster = 'restart' | 'empty' | 'freeze' | (() => Promise<void>);

export interface ChurnOptions {
  /** A registry on the server, not started. */
  readonly fresh: () => Registry;
  readonly server: FrailServer;
  /** One after the other, evenly between the changes, which go on meanwhile. */
  readonly disasters: readonly Disaster[];
  /** @defaultValue `200` */
  readonly changes?: number;
  /** How many registries make changes. @defaultValue `4` */
  readonly clients?: number;
  /** @defaultValue `15_000` */
  readonly ttlMs?: number;
  /** How often each node is renewed. @defaultValue `500` */
  readonly renewMs?: number;
  /** How long a freeze lasts. @defaultValue `3_000` */
  readonly freezeMs?: number;
  /** For how long the view may be behind at the end. @defaultValue `30_000` */
  readonly settleMs?: number;
  /** The same random changes for the same seed. @defaultValue `1` */
  readonly seed?: number;
}

export interface ChurnReport {
  readonly changes: number;
  /** What the watch told, and how many calls failed while the server was not there. */
  readonly events: number;
  readonly failures: number;
  /** How long after the last change the view, a fresh list and what was wanted were the same. */
  readonly settledMs: number;
}

const SERVICES = ['churn.a', 'churn.b', 'churn/c'];

/**
 * Makes random changes while the server is killed, emptied and frozen, then holds what a watch has told against a fresh list: they are the
 * same, and nothing was told twice, and nothing of what nobody had been told of.
 */
export async function churn(options: ChurnOptions): Promise<ChurnReport> {
  const { fresh, changes = 200, clients: count = 4, disasters, settleMs = 30_000 } = options;
  const random = randomOf(options.seed ?? 1);
  const watcher = fresh();
  await watcher.start();
  const views = [
    new View(watcher.watch()),
    ...SERVICES.map((service) => new View(watcher.watch({ service }))),
  ];
  const clients = Array.from({ length: count }, (_, n) => new Client(`c${n}`, fresh(), options));
  try {
    for (const client of clients) await client.start();
    let striking: Promise<void> = Promise.resolve();
    const every = Math.ceil(changes / (disasters.length + 1));
    for (let n = 1; n <= changes; n++) {
      // Those that have no answer do not hold up the others.
      void clients[Math.floor(random() * count)]?.change(random);
      const disaster = disasters[n / every - 1];
      if (disaster !== undefined) {
        const before = striking;
        striking = before.then(() => strike(disaster, options));
      }
      await wait(5);
      // A part of the changes is made while the server is not there.
      if (disaster !== undefined) await Promise.race([striking, wait(1_500)]);
    }
    await striking;
    const settledMs = await settled(fresh, clients, views, settleMs);
    for (const view of views) assert.deepEqual(view.wrong, []);
    const events = views.reduce((sum, view) => sum + view.events, 0);
    const failures = clients.reduce((sum, client) => sum + client.failures, 0);
    return { changes, events, failures, settledMs };
  } finally {
    for (const client of clients) await client.stop();
    await watcher.stop();
  }
}

async function strike(disaster: Disaster, { server, freezeMs = 3_000 }: ChurnOptions): Promise<void> {
  if (typeof disaster === 'function') return disaster();
  if (disaster === 'freeze') {
    await server.pause();
    await wait(freezeMs);
    server.resume();
    return;
  }
  await server.kill();
  await wait(300);
  await server.restart({ empty: disaster === 'empty' });
}

/** Waits until a fresh list, what the clients want and every view are the same. */
async function settled(
  fresh: () => Registry,
  clients: readonly Client[],
  views: readonly View[],
  atMostMs: number,
): Promise<number> {
  const begin = Date.now();
  const wanted = sorted(clients.flatMap((client) => client.wanted));
  for (;;) {
    const lister = fresh();
    await lister.start();
    const listed = await listOf(lister).catch((error: unknown) => [String(error)]);
    await lister.stop();
    const [all, ...each] = views.map((view) => sorted(view.nodes));
    const same = [listed, all, sorted(each.flat())].every((nodes) => nodes?.join() === wanted.join());
    if (same) return Date.now() - begin;
    if (Date.now() - begin > atMostMs) {
      assert.deepEqual(listed, wanted, 'a fresh list is what is wanted');
      assert.deepEqual(all, listed, 'a watch of all is a fresh list');
      assert.deepEqual(sorted(each.flat()), listed, 'watches of each service are a fresh list');
    }
    await wait(100);
  }
}

async function listOf(registry: Registry): Promise<string[]> {
  const found: string[] = [];
  for (const name of await registry.listServices())
    for (const service of await registry.getService(name)) found.push(...textsOf(service));
  return sorted(found);
}

/** The nodes that a watch has told of. */
class View {
  readonly wrong: string[] = [];
  events = 0;
  readonly #nodes = new Map<string, string>();

  constructor(changes: AsyncIterable<RegistryEvent>) {
    void this.#follow(changes);
  }

  get nodes(): string[] {
    return [...this.#nodes.values()];
  }

  async #follow(changes: AsyncIterable<RegistryEvent>): Promise<void> {
    try {
      for await (const { action, service } of changes)
        for (const node of service.nodes) this.#take(action, { ...service, nodes: [node] });
    } catch (error) {
      this.wrong.push(`the watch broke off: ${String(error)}`);
    }
  }

  #take(action: RegistryEvent['action'], service: ServiceRecord): void {
    this.events++;
    const key = `${service.name} ${service.nodes[0]?.id}`;
    const known = this.#nodes.get(key);
    const [text = ''] = textsOf(service);
    if ((known === undefined) !== (action === 'create') || (action === 'update' && known === text))
      this.wrong.push(`${action} of ${text}, where ${known ?? 'nothing'} was known`);
    if (action === 'delete') this.#nodes.delete(key);
    else this.#nodes.set(key, text);
  }
}

/** Who registers nodes and renews them, as servers do, and tries again what failed. */
class Client {
  failures = 0;
  readonly #name: string;
  readonly #registry: Registry;
  readonly #ttlMs: number;
  readonly #renewMs: number;
  /** What is to be registered, and what is to be gone, by service and node. */
  readonly #wanted = new Map<string, ServiceRecord>();
  readonly #unwanted = new Map<string, ServiceRecord>();
  readonly #stopped = new AbortController();
  #renewing: Promise<void> = Promise.resolve();
  #count = 0;

  constructor(name: string, registry: Registry, { ttlMs = 15_000, renewMs = 500 }: ChurnOptions) {
    this.#name = name;
    this.#registry = registry;
    this.#ttlMs = ttlMs;
    this.#renewMs = renewMs;
  }

  get wanted(): string[] {
    return [...this.#wanted.values()].flatMap(textsOf);
  }

  async start(): Promise<void> {
    await this.#registry.start();
    this.#renewing = this.#renewAll();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#renewing;
    for (const service of this.#wanted.values()) await this.#registry.deregister(service).catch(() => {});
    await this.#registry.stop();
  }

  /** Registers a node, changes one or takes one away. */
  async change(random: () => number): Promise<void> {
    const name = SERVICES[Math.floor(random() * SERVICES.length)] ?? '';
    const id = `${name}-${this.#name}-${Math.floor(random() * 6)}`;
    const key = `${name} ${id}`;
    const known = this.#wanted.get(key);
    if (known !== undefined && random() < 0.4) {
      this.#wanted.delete(key);
      this.#unwanted.set(key, known);
      return this.#remove(key, known);
    }
    const node: Node = {
      id,
      address: `127.0.0.1:${4_000 + this.#count}`,
      metadata: { n: `${this.#count++}` },
    };
    const service = { name, version: random() < 0.5 ? '1' : '2', metadata: {}, endpoints: [], nodes: [node] };
    this.#wanted.set(key, service);
    this.#unwanted.delete(key);
    await this.#put(service);
  }

  async #renewAll(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await wait(this.#renewMs, undefined, { signal }).catch(() => {});
      await Promise.all([...this.#unwanted].map(([key, service]) => this.#remove(key, service)));
      await Promise.all([...this.#wanted.values()].map((service) => this.#put(service)));
    }
  }

  async #put(service: ServiceRecord): Promise<void> {
    await this.#registry.register(service, { ttlMs: this.#ttlMs }).catch(() => this.failures++);
  }

  async #remove(key: string, service: ServiceRecord): Promise<void> {
    try {
      await this.#registry.deregister(service);
      if (this.#unwanted.get(key) === service) this.#unwanted.delete(key);
    } catch {
      this.failures++;
    }
  }
}

function textsOf({ name, version, nodes }: ServiceRecord): string[] {
  return nodes.map(({ id, address, metadata }) => `${name} ${version} ${id} ${address} ${metadata['n']}`);
}

function sorted(texts: readonly string[]): string[] {
  return [...texts].sort();
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
