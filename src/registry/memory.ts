import { Clock, type Timer } from '../core/clock.js';
import type { Provider } from '../core/provider.js';
import { versionsOf } from './node-record.js';
import { checkRecord, freeze, frozen } from './record.js';
import {
  Registry,
  type Node,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';
import { Watches } from './watches.js';

/** How many changes wait for a watcher that does not read. */
const WATCH_ROOM = 10_000;

interface Entry {
  readonly service: ServiceRecord;
  readonly node: Node;
  readonly text: string;
  timer: Timer | undefined;
}

/** What is registered, where several memory registries share it. */
export class MemoryWorld {
  /** By service and node. */
  readonly entries = new Map<string, Entry>();
  /** Of the registries that have some. */
  readonly watches = new Set<Watches>();
}

export interface MemoryRegistryOptions extends RegistryOptions {
  /** What this registry shares with others. @defaultValue a world of its own */
  readonly world?: MemoryWorld;
}

/** Keeps nodes in the memory of one process. */
export class MemoryRegistry extends Registry {
  readonly name = 'memory';
  readonly local = true;
  readonly options: MemoryRegistryOptions;
  readonly #world: MemoryWorld;
  readonly #clock: Clock;
  readonly #watches = new Watches('memory', WATCH_ROOM);

  constructor(options: MemoryRegistryOptions, { clock }: { readonly clock: Clock }) {
    super();
    this.options = options;
    this.#world = options.world ?? new MemoryWorld();
    this.#clock = clock;
  }

  start(): void {
    // There is nothing to open.
  }

  stop(): void {
    this.#watches.end();
    this.#world.watches.delete(this.#watches);
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    checkRecord(service);
    for (const node of service.nodes) this.#put(frozen({ ...service, nodes: [] }), frozen(node), ttlMs);
  }

  async deregister(service: ServiceRecord): Promise<void> {
    for (const node of service.nodes) this.#remove(keyOf(service, node));
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    return versionsOf([...this.#world.entries.values()].filter(({ service }) => service.name === name));
  }

  async listServices(): Promise<readonly string[]> {
    return [...new Set([...this.#world.entries.values()].map(({ service }) => service.name))].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    this.#world.watches.add(this.#watches);
    return this.#watches.begin(options);
  }

  #put(service: ServiceRecord, node: Node, ttlMs: number | undefined): void {
    const { entries } = this.#world;
    const key = keyOf(service, node);
    const known = entries.get(key);
    known?.timer?.cancel();
    const text = JSON.stringify([service, node]);
    const timer =
      ttlMs === undefined
        ? undefined
        : this.#clock.after(ttlMs, () => this.#remove(key), { background: true });
    entries.set(key, { service, node, text, timer });
    if (known?.text !== text) this.#tell(known === undefined ? 'create' : 'update', service, node);
  }

  #remove(key: string): void {
    const { entries } = this.#world;
    const known = entries.get(key);
    if (known === undefined) return;
    known.timer?.cancel();
    entries.delete(key);
    this.#tell('delete', known.service, known.node);
  }

  #tell(action: RegistryEvent['action'], service: ServiceRecord, node: Node): void {
    const event = freeze({ action, service: { ...service, nodes: [node] } });
    for (const watches of this.#world.watches) watches.tell(event);
  }
}

/** Finds services in the memory of this process. */
export function memory(options: MemoryRegistryOptions = {}): Provider<Registry> {
  return (resolve) => new MemoryRegistry(options, { clock: resolve(Clock) });
}

function keyOf({ name }: ServiceRecord, { id }: Node): string {
  return JSON.stringify([name, id]);
}
