import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Inbox } from '../core/inbox.js';
import type { Provider } from '../core/provider.js';
import {
  Registry,
  type Node,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';

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
  /** By service, version and node. */
  readonly entries = new Map<string, Entry>();
  readonly watchers = new Set<(event: RegistryEvent) => void>();
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
  readonly #watches = new Set<Inbox<RegistryEvent>>();

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
    for (const inbox of this.#watches) inbox.end();
    this.#watches.clear();
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    for (const node of service.nodes) this.#put(frozen({ ...service, nodes: [] }), frozen(node), ttlMs);
  }

  async deregister(service: ServiceRecord): Promise<void> {
    for (const node of service.nodes) this.#remove(keyOf(service, node));
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    const versions = new Map<string, { service: ServiceRecord; nodes: Node[] }>();
    for (const { service, node } of this.#world.entries.values()) {
      if (service.name !== name) continue;
      const version = versions.get(service.version) ?? { service, nodes: [] };
      version.nodes.push(node);
      versions.set(service.version, { ...version, service });
    }
    return frozen([...versions.values()].map(({ service, nodes }) => ({ ...service, nodes })));
  }

  async listServices(): Promise<readonly string[]> {
    return [...new Set([...this.#world.entries.values()].map(({ service }) => service.name))].sort();
  }

  watch({ service, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    const { watchers } = this.#world;
    const forget = (): void => {
      watchers.delete(take);
      this.#watches.delete(inbox);
    };
    const inbox = new Inbox<RegistryEvent>(WATCH_ROOM, undefined, forget);
    const take = (event: RegistryEvent): void => {
      if (service !== undefined && event.service.name !== service) return;
      if (inbox.push(event)) return;
      forget();
      inbox.end(
        new OctavoError(
          'resource_exhausted',
          `a watch of the memory registry is ${WATCH_ROOM} changes behind`,
        ),
      );
    };
    watchers.add(take);
    this.#watches.add(inbox);
    const end = (): void => {
      forget();
      inbox.end();
    };
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
    return inbox;
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
    const event = frozen({ action, service: { ...service, nodes: [node] } });
    for (const watcher of [...this.#world.watchers]) watcher(event);
  }
}

/** Finds services in the memory of this process. */
export function memory(options: MemoryRegistryOptions = {}): Provider<Registry> {
  return (resolve) => new MemoryRegistry(options, { clock: resolve(Clock) });
}

function keyOf({ name, version }: ServiceRecord, { id }: Node): string {
  return JSON.stringify([name, version, id]);
}

/** A copy that nobody can change. */
function frozen<T>(value: T): T {
  const copy = structuredClone(value);
  freeze(copy);
  return copy;
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  Object.freeze(value);
  for (const member of Object.values(value)) freeze(member);
}
