import type { Clock } from '../core/clock.js';
import type { MaybePromise } from '../core/lifecycle.js';
import type { Logger } from '../core/logger.js';
import { FollowedService, type Following } from './cache/followed-service.js';
import {
  Registry,
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
  /** For how long an answer is good without being asked for anew, in milliseconds: a node that dies in silence is known no longer. @defaultValue `60_000` */
  readonly ttlMs?: number;
  /** For how long nothing found stays nothing found, and a registry that failed is not asked again, in milliseconds. @defaultValue `500` */
  readonly missMs?: number;
  /** For how long a call waits for an answer where there is an older one, in milliseconds. @defaultValue `250` */
  readonly waitMs?: number;
  /** For how long the last answer of a registry that fails stays in use, in milliseconds. @defaultValue `86_400_000`, a day */
  readonly staleMs?: number;
  /** How many services are remembered; the one asked for longest ago goes first. @defaultValue `10_000` */
  readonly maxServices?: number;
}

export interface CachedRegistryStats {
  /** How many services it follows. */
  readonly services: number;
  /** How many of them are known by an answer that may be out of date. */
  readonly stale: number;
  /** Questions that were put to the registry. */
  readonly asked: number;
  /** Those that it did not answer. */
  readonly failed: number;
  /** When it last answered, in milliseconds since the epoch; left out before that. */
  readonly answeredAt?: number;
}

/**
 * Stands around a registry and remembers what it said, so that a call costs no question.
 *
 * The first question for a service also begins a watch of it. Any number of questions at once are one. A service that is called all the
 * time is asked for in the background; while the registry is slow or cannot be reached, the last answer stays in use. What it gives is
 * frozen, and the same array as long as nothing changed. After `stop` it remembers nothing and passes everything on. Source of the rules:
 * go-micro v5.4 `registry/cache`.
 */
export class CachedRegistry extends Registry {
  readonly #inner: Registry;
  readonly #following: Following;
  readonly #maxServices: number;
  readonly #services = new Map<string, FollowedService>();
  #stopped = false;

  constructor(inner: Registry, { clock, logger }: CachedRegistryParts, options: CachedRegistryOptions = {}) {
    super();
    this.#inner = inner;
    const { ttlMs = 60_000, missMs = 500, waitMs = 250, staleMs = 86_400_000 } = options;
    const answers = { asked: 0, failed: 0, at: undefined };
    this.#following = { registry: inner, answers, clock, logger, ttlMs, missMs, waitMs, staleMs };
    this.#maxServices = options.maxServices ?? 10_000;
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

  /** The services whose last answer may be out of date, as the registry does not answer. */
  get stale(): readonly string[] {
    return [...this.#services].filter(([, { stale }]) => stale).map(([name]) => name);
  }

  /** How the registry has answered since this was made. */
  stats(): CachedRegistryStats {
    const { asked, failed, at } = this.#following.answers;
    const services = this.#services.size;
    return { services, stale: this.stale.length, asked, failed, ...(at !== undefined && { answeredAt: at }) };
  }

  /** The registry inside is made by the container, which starts it. */
  start(): MaybePromise<void> {
    this.#stopped = false;
  }

  stop(): MaybePromise<void> {
    this.#stopped = true;
    for (const service of this.#services.values()) service.end();
    this.#services.clear();
  }

  async register(service: ServiceRecord, options?: RegisterOptions): Promise<void> {
    await this.#inner.register(service, options);
  }

  async deregister(service: ServiceRecord): Promise<void> {
    await this.#inner.deregister(service);
    this.#services.get(service.name)?.change({ action: 'delete', service }, true);
  }

  getService(name: string): MaybePromise<readonly ServiceRecord[]> {
    if (this.#stopped) return this.#inner.getService(name);
    return (this.#services.get(name) ?? this.#begin(name)).get();
  }

  async listServices(): Promise<readonly string[]> {
    return Object.freeze([...(await this.#inner.listServices())]);
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#inner.watch(options);
  }

  #begin(name: string): FollowedService {
    if (this.#services.size >= this.#maxServices) this.#forgetOne();
    const service = new FollowedService(name, this.#following);
    this.#services.set(name, service);
    return service;
  }

  #forgetOne(): void {
    let [oldest] = this.#services;
    for (const each of this.#services)
      if (oldest === undefined || each[1].usedAt < oldest[1].usedAt) oldest = each;
    if (oldest === undefined) return;
    oldest[1].end();
    this.#services.delete(oldest[0]);
  }
}
