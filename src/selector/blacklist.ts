import { Clock } from '../core/clock.js';
import type { OctavoError } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node } from '../registry/registry.js';
import { Aside } from './aside.js';
import { isAgainstNode } from './blame.js';
import {
  RegistrySelector,
  type RegistrySelectorOptions,
  type RegistrySelectorParts,
} from './registry-selector.js';
import type { Selector } from './selector.js';
import { random } from './strategy.js';

export interface BlacklistSelectorOptions extends RegistrySelectorOptions {
  /** After how many errors in a row a node is banned. @defaultValue `3` */
  readonly count?: number;
  /** For how long after its last error a node stays banned, and an error counts, in milliseconds. @defaultValue `30_000` */
  readonly ttlMs?: number;
  /** Which errors count. @defaultValue those that say something against the node, such as `unavailable`, `internal` and `deadline_exceeded` */
  readonly counts?: (error: OctavoError) => boolean;
}

interface Errors {
  count: number;
  until: number;
}

/** How many services, and nodes with errors, are remembered. */
const MOST = 10_000;

/**
 * Bans nodes that fail several times in a row. Where all are banned there is none: a call fails rather than being the next to fail there.
 *
 * Source: go-plugins v1.1.0 `selector/blacklist`, whose bans last up to twice as long, and where every error counts.
 */
export class BlacklistSelector extends RegistrySelector {
  readonly name = 'blacklist';
  readonly #count: number;
  readonly #ttlMs: number;
  readonly #counts: (error: OctavoError) => boolean;
  readonly #errors = new Map<string, Map<string, Errors>>();
  readonly #banned = new Map<string, Aside>();

  constructor(
    {
      strategy = random(),
      count = 3,
      ttlMs = 30_000,
      counts = isAgainstNode,
      ...options
    }: BlacklistSelectorOptions,
    parts: RegistrySelectorParts,
  ) {
    super({ strategy, ...options }, parts);
    this.#count = count;
    this.#ttlMs = ttlMs;
    this.#counts = counts;
  }

  override mark(service: string, node: Node, error?: OctavoError): void {
    super.mark(service, node, error);
    if (error === undefined) {
      this.#errors.get(service)?.delete(node.id);
      this.#banned.get(service)?.take(node.id);
    } else if (this.#counts(error)) this.#failed(service, node);
  }

  override reset(service: string): void {
    super.reset(service);
    this.#errors.delete(service);
    this.#banned.delete(service);
  }

  override stop(): void {
    super.stop();
    this.#errors.clear();
    this.#banned.clear();
  }

  protected override allowed(service: string, nodes: readonly Node[]): readonly Node[] {
    const banned = this.#banned.get(service);
    return banned === undefined || banned.size === 0 ? nodes : banned.without(nodes, this.clock.now());
  }

  #failed(service: string, { id }: Node): void {
    const now = this.clock.now();
    const known = bounded(this.#errors, service, () => new Map<string, Errors>());
    const errors = bounded(known, id, () => ({ count: 0, until: 0 }));
    errors.count = errors.until <= now ? 1 : errors.count + 1;
    errors.until = now + this.#ttlMs;
    if (errors.count >= this.#count) bounded(this.#banned, service, () => new Aside()).put(id, errors.until);
  }
}

/** Bans nodes that fail several times in a row. */
export function blacklist(options: BlacklistSelectorOptions = {}): Provider<Selector> {
  return (resolve) => new BlacklistSelector(options, { registry: resolve(Registry), clock: resolve(Clock) });
}

/** What a map has under a key, made where it has nothing. One that is full is emptied before. */
function bounded<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  if (map.size >= MOST) map.clear();
  const made = make();
  map.set(key, made);
  return made;
}
