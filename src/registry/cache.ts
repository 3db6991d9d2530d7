import type { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';
import type { Logger } from '../core/logger.js';
import {
  Registry,
  type Node,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';

export interface CachedRegistryParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CachedRegistryOptions {
  /** For how long an answer is good without being asked for anew, in milliseconds. @defaultValue `60_000` */
  readonly ttlMs?: number;
  /** For how long nothing found stays nothing found, in milliseconds. @defaultValue `500` */
  readonly missMs?: number;
  /** How many services are remembered; the one asked for longest ago goes first. @defaultValue `10_000` */
  readonly maxServices?: number;
}

interface Entry {
  records: readonly ServiceRecord[];
  goodUntil: number;
  /** Whether the registry could not be asked, so that this may be out of date. */
  stale: boolean;
  /** The one question under way, however many wait for it. */
  asking: Promise<readonly ServiceRecord[]> | undefined;
  readonly watch: AbortController;
}

/** How long to wait before a watch that broke off is begun again: at most this, with jitter. */
const WATCH_AGAIN_MS = 1_000;

/**
 * Stands around a registry and remembers what it said, so that a call costs no question.
 *
 * The first question for a service also begins a watch of it. Any number of questions at once are one. While the registry cannot be
 * reached, the last answer stays in use. What it gives is the same array as long as nothing changed. Source of the rules: go-micro v4.11 `registry/cache`.
 */
export class CachedRegistry extends Registry {
  readonly #inner: Registry;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: Required<CachedRegistryOptions>;
  readonly #entries = new Map<string, Entry>();

  constructor(inner: Registry, { clock, logger }: CachedRegistryParts, options: CachedRegistryOptions = {}) {
    super();
    this.#inner = inner;
    this.#clock = clock;
    this.#logger = logger;
    this.#options = { ttlMs: 60_000, missMs: 500, maxServices: 10_000, ...options };
  }

  get name(): string {
    return this.#inner.name;
  }
  get options(): RegistryOptions {
    return this.#inner.options;
  }
  get local(): boolean {
    return this.#inner.local;
  }

  /** The services whose last answer may be out of date, as the registry could not be asked. */
  get stale(): readonly string[] {
    return [...this.#entries].filter(([, { stale }]) => stale).map(([name]) => name);
  }

  start(): MaybePromise<void> {
    // The registry inside is made by the container, which starts it.
  }

  stop(): MaybePromise<void> {
    for (const { watch } of this.#entries.values()) watch.abort();
    this.#entries.clear();
  }

  async register(service: ServiceRecord, options?: RegisterOptions): Promise<void> {
    await this.#inner.register(service, options);
  }

  async deregister(service: ServiceRecord): Promise<void> {
    await this.#inner.deregister(service);
    const entry = this.#entries.get(service.name);
    if (entry !== undefined) this.#apply(entry, { action: 'delete', service });
  }

  getService(name: string): MaybePromise<readonly ServiceRecord[]> {
    const entry = this.#entries.get(name);
    if (entry !== undefined && entry.goodUntil > this.#clock.now()) return entry.records;
    return this.#ask(name, entry ?? this.#begin(name));
  }

  listServices(): Promise<readonly string[]> {
    return this.#inner.listServices();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#inner.watch(options);
  }

  #begin(name: string): Entry {
    const watch = new AbortController();
    const entry: Entry = { records: NONE, goodUntil: 0, stale: false, asking: undefined, watch };
    this.#entries.set(name, entry);
    if (this.#entries.size > this.#options.maxServices) this.#forgetOldest();
    void this.#follow(name, entry);
    return entry;
  }

  #forgetOldest(): void {
    const [oldest] = this.#entries;
    if (oldest === undefined) return;
    oldest[1].watch.abort();
    this.#entries.delete(oldest[0]);
  }

  #ask(name: string, entry: Entry): Promise<readonly ServiceRecord[]> {
    // The one asked for last is the last to be forgotten.
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    entry.asking ??= this.#question(name, entry).finally(() => (entry.asking = undefined));
    return entry.asking;
  }

  async #question(name: string, entry: Entry): Promise<readonly ServiceRecord[]> {
    const { ttlMs, missMs } = this.#options;
    try {
      const records = await this.#inner.getService(name);
      if (entry.stale)
        this.#logger.info('the registry answers again', { registry: this.name, service: name });
      entry.stale = false;
      this.#put(entry, records);
      entry.goodUntil = this.#clock.now() + (records.length > 0 ? ttlMs : missMs);
      return entry.records;
    } catch (reason) {
      if (entry.records.length === 0) throw OctavoError.from(reason);
      if (!entry.stale)
        this.#logger.warn('the registry cannot be asked: its last answer stays in use', {
          registry: this.name,
          service: name,
          error: reason,
        });
      entry.stale = true;
      entry.goodUntil = this.#clock.now() + missMs;
      return entry.records;
    }
  }

  /** Keeps an entry up to date until it is forgotten. After a watch that broke off the registry is asked anew, as changes were missed. */
  async #follow(name: string, entry: Entry): Promise<void> {
    const { signal } = entry.watch;
    while (!signal.aborted) {
      try {
        for await (const event of this.#inner.watch({ service: name, signal })) this.#apply(entry, event);
        if (signal.aborted) return;
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.debug('a watch broke off', { registry: this.name, service: name, error });
      }
      entry.goodUntil = 0;
      try {
        await this.#clock.sleep(WATCH_AGAIN_MS * (0.5 + Math.random() / 2), signal);
      } catch {
        return;
      }
    }
  }

  #apply(entry: Entry, { action, service }: RegistryEvent): void {
    // While it cannot be asked, what it says of nodes that went is not believed: the registry may have lost its memory.
    if (action === 'delete' && entry.stale) return;
    const ids = new Set(service.nodes.map(({ id }) => id));
    const others = entry.records.map((record) => ({
      ...record,
      nodes: record.nodes.filter(({ id }) => !ids.has(id)),
    }));
    if (action === 'delete')
      return this.#put(
        entry,
        others.filter(({ nodes }) => nodes.length > 0),
      );
    const same = others.find(({ version }) => version === service.version);
    const nodes: readonly Node[] = [...(same?.nodes ?? []), ...service.nodes];
    const rest = others.filter((record) => record !== same && record.nodes.length > 0);
    this.#put(entry, [...rest, { ...service, nodes }]);
    entry.goodUntil = Math.max(entry.goodUntil, this.#clock.now() + this.#options.ttlMs);
  }

  /** The array stays the same while nothing changes, so that others can remember what they made of it. */
  #put(entry: Entry, records: readonly ServiceRecord[]): void {
    if (JSON.stringify(records) === JSON.stringify(entry.records)) return;
    entry.records = freeze(structuredClone(records));
  }
}

const NONE: readonly ServiceRecord[] = Object.freeze([]);

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
