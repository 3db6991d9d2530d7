import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node, type ServiceRecord } from '../registry/registry.js';
import { Selector, type Filter, type NextNode, type SelectOptions, type Strategy } from './selector.js';
import { random } from './strategy.js';

export interface CacheSelectorOptions {
  /** How a node is chosen. @defaultValue `random()` */
  readonly strategy?: Strategy;
  /** For how long a node that could not be reached is left out while there are others, in milliseconds. @defaultValue `5_000` */
  readonly asideMs?: number;
}

export interface CacheSelectorParts {
  readonly registry: Registry;
  readonly clock: Clock;
}

/** What filters left of a service's records: the same as long as both are the same. */
interface Memo {
  readonly records: readonly ServiceRecord[];
  readonly left: { readonly filters: readonly Filter[]; readonly nodes: readonly Node[] }[];
}

/** How many services, and nodes set aside, are remembered. */
const MOST = 10_000;

/** For how many lists of filters what they left of one service is remembered. */
const MOST_FILTERS = 8;

/** Chooses among the nodes that the registry remembers, which costs no question. */
export class CacheSelector extends Selector {
  readonly name = 'cache';
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #strategy: Strategy;
  readonly #asideMs: number;
  readonly #memos = new Map<string, Memo>();
  /** Until when a node is set aside, by service and node. */
  readonly #aside = new Map<string, Map<string, number>>();

  constructor(
    { strategy = random(), asideMs = 5_000 }: CacheSelectorOptions,
    { registry, clock }: CacheSelectorParts,
  ) {
    super();
    this.#strategy = strategy;
    this.#asideMs = asideMs;
    this.#registry = registry;
    this.#clock = clock;
  }

  start(): void {
    // The registry is started by the container.
  }

  stop(): void {
    this.#memos.clear();
    this.#aside.clear();
  }

  select(service: string, options: SelectOptions = {}): MaybePromise<NextNode> {
    const found = this.#registry.getService(service);
    if (!isPromise(found)) return this.#choose(service, found, options);
    return found.then((records) => this.#choose(service, records, options));
  }

  mark(service: string, node: Node, error?: OctavoError): void {
    const aside = this.#aside.get(service);
    if (error === undefined) {
      aside?.delete(node.id);
      return;
    }
    if (error.code !== 'unavailable' || error.executed !== false) return;
    const known = aside ?? new Map<string, number>();
    known.set(node.id, this.#clock.now() + this.#asideMs);
    if (known.size > MOST) known.clear();
    this.#aside.set(service, known);
    if (this.#aside.size > MOST) this.#aside.clear();
  }

  reset(service: string): void {
    this.#aside.delete(service);
    this.#memos.delete(service);
  }

  #choose(
    service: string,
    records: readonly ServiceRecord[],
    { filters = NONE, strategy = this.#strategy }: SelectOptions,
  ): NextNode {
    const nodes = this.#left(service, records, filters);
    if (nodes.length === 0) throw this.#nobody(service, records);
    return (tried) => {
      const untried =
        tried === undefined || tried.size === 0 ? nodes : others(nodes, ({ id }) => tried.has(id));
      return strategy(service, this.#reachable(service, untried));
    };
  }

  #left(service: string, records: readonly ServiceRecord[], filters: readonly Filter[]): readonly Node[] {
    const { left } = this.#memo(service, records);
    for (const each of left) if (same(each.filters, filters)) return each.nodes;
    const nodes = filters
      .reduce((services, filter) => filter(services), records)
      .flatMap((each) => each.nodes);
    if (left.length >= MOST_FILTERS) left.shift();
    left.push({ filters, nodes });
    return nodes;
  }

  #memo(service: string, records: readonly ServiceRecord[]): Memo {
    const known = this.#memos.get(service);
    if (known?.records === records) return known;
    if (this.#memos.size >= MOST) this.#memos.clear();
    const memo: Memo = { records, left: [] };
    this.#memos.set(service, memo);
    return memo;
  }

  /** Without those that are set aside; with them where there are no others. */
  #reachable(service: string, nodes: readonly Node[]): readonly Node[] {
    const aside = this.#aside.get(service);
    if (aside === undefined || aside.size === 0) return nodes;
    const now = this.#clock.now();
    for (const [id, until] of aside) if (until <= now) aside.delete(id);
    return others(nodes, ({ id }) => aside.has(id));
  }

  #nobody(service: string, records: readonly ServiceRecord[]): OctavoError {
    const known = records.flatMap(({ nodes }) => nodes).length;
    const why = known === 0 ? '' : `; it knows ${known}, and the filters left none`;
    return new OctavoError(
      'unavailable',
      `no node of "${service}" (asked registry "${this.#registry.name}"${why})`,
      { executed: false },
    );
  }
}

/** Chooses among what the registry remembers. */
export function cache(options: CacheSelectorOptions = {}): Provider<Selector> {
  return (resolve) => new CacheSelector(options, { registry: resolve(Registry), clock: resolve(Clock) });
}

const NONE: readonly Filter[] = [];

function same(a: readonly Filter[], b: readonly Filter[]): boolean {
  return a === b || (a.length === b.length && a.every((filter, at) => filter === b[at]));
}

/** Those of which it does not hold; all where it holds of all. */
function others(nodes: readonly Node[], leftOut: (node: Node) => boolean): readonly Node[] {
  const left = nodes.filter((node) => !leftOut(node));
  return left.length > 0 ? left : nodes;
}
