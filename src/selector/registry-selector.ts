import type { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import type { Node, Registry, ServiceRecord } from '../registry/registry.js';
import { Aside } from './aside.js';
import { InFlight } from './in-flight.js';
import { Selector, type Filter, type NextNode, type SelectOptions, type Strategy } from './selector.js';

/** What every selector among a registry's nodes takes. */
export interface RegistrySelectorOptions {
  /** How a node is chosen. */
  readonly strategy?: Strategy;
  /** For how long a node that could not be reached is left out while there are others, in milliseconds. @defaultValue `5_000` */
  readonly asideMs?: number;
}

/** What it stands on. */
export interface RegistrySelectorParts {
  readonly registry: Registry;
  readonly clock: Clock;
}

/** What filters left of a service's records: the same as long as both are the same. */
interface Memo {
  readonly records: readonly ServiceRecord[];
  readonly left: { readonly filters: readonly Filter[]; readonly nodes: readonly Node[] }[];
}

/** How many services are remembered. */
const MOST = 10_000;

/** For how many lists of filters what they left of one service is remembered. */
const MOST_FILTERS = 8;

/** Chooses among the nodes that the registry remembers, which costs no question. Providers differ in whom they allow, and in whom they prefer. */
export abstract class RegistrySelector extends Selector {
  protected readonly clock: Clock;
  readonly #registry: Registry;
  readonly #strategy: Strategy;
  readonly #asideMs: number;
  readonly #memos = new Map<string, Memo>();
  /** Nodes that could not be reached, by service. */
  readonly #aside = new Map<string, Aside>();
  readonly #load = new InFlight();

  constructor(
    { strategy, asideMs = 5_000 }: RegistrySelectorOptions & { readonly strategy: Strategy },
    { registry, clock }: RegistrySelectorParts,
  ) {
    super();
    this.#strategy = strategy;
    this.#asideMs = asideMs;
    this.#registry = registry;
    this.clock = clock;
  }

  start(): void {
    // The registry is started by the container.
  }

  stop(): void {
    this.#memos.clear();
    this.#aside.clear();
    this.#load.clear();
  }

  select(service: string, options: SelectOptions = {}): MaybePromise<NextNode> {
    const found = this.#registry.getService(service);
    if (!isPromise(found)) return this.#choose(service, found, options);
    return found.then((records) => this.#choose(service, records, options));
  }

  mark(service: string, node: Node, error?: OctavoError): void {
    this.#load.ended(service, node);
    const aside = this.#aside.get(service);
    if (error === undefined) aside?.take(node.id);
    else if (error.code === 'unavailable' && error.executed === false) this.#setAside(service, node, aside);
  }

  reset(service: string): void {
    this.#aside.delete(service);
    this.#memos.delete(service);
  }

  /** Those of a list that may be chosen at all; all where a provider does not say. Given the same list it gives the same one, as long as nothing has changed. */
  protected allowed?(service: string, nodes: readonly Node[]): readonly Node[];

  /** Those of a list, of which there is at least one, that are chosen before the others; all where a provider does not say. */
  protected preferred?(service: string, nodes: readonly Node[]): readonly Node[];

  /** How a node is chosen for one call that names no strategy; as for every call where a provider does not say. */
  protected strategyFor?(service: string, options: SelectOptions): Strategy | undefined;

  /** An attempt goes to a node. */
  protected began(service: string, node: Node): void {
    this.#load.began(service, node);
  }

  #choose(service: string, records: readonly ServiceRecord[], options: SelectOptions): NextNode {
    const { filters = NONE, probe = false } = options;
    const own = this.strategyFor === undefined ? undefined : this.strategyFor(service, options);
    const { strategy = own ?? this.#strategy } = options;
    const left = this.#left(service, records, filters);
    if (left.length === 0) throw this.#nobody(service, records, 'the filters left none');
    if (this.allowed !== undefined) this.#checked(service, records, left);
    return (tried) => {
      // Somebody may have been banned since.
      const all = this.allowed === undefined ? left : this.#checked(service, records, left);
      const untried = tried === undefined || tried.size === 0 ? all : others(all, ({ id }) => tried.has(id));
      const reachable = this.#reachable(service, untried);
      const wanted = this.preferred === undefined ? reachable : this.preferred(service, reachable);
      const node = strategy(service, wanted, this.#load);
      if (!probe) this.began(service, node);
      return node;
    };
  }

  /** Those that are allowed, of which there is at least one. */
  #checked(service: string, records: readonly ServiceRecord[], left: readonly Node[]): readonly Node[] {
    const allowed = this.allowed?.(service, left) ?? left;
    if (allowed.length > 0) return allowed;
    throw this.#nobody(service, records, 'all that the filters left are banned');
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

  #setAside(service: string, { id }: Node, known = new Aside()): void {
    known.put(id, this.clock.now() + this.#asideMs);
    if (this.#aside.size >= MOST) this.#aside.clear();
    this.#aside.set(service, known);
  }

  /** Without those that are set aside; with them where there are no others. */
  #reachable(service: string, nodes: readonly Node[]): readonly Node[] {
    const aside = this.#aside.get(service);
    if (aside === undefined || aside.size === 0) return nodes;
    const left = aside.without(nodes, this.clock.now());
    return left.length > 0 ? left : nodes;
  }

  #nobody(service: string, records: readonly ServiceRecord[], reason: string): OctavoError {
    const known = records.flatMap(({ nodes }) => nodes);
    const why = known.length === 0 ? '' : `; it knows ${known.length} (${spoken(known)}), and ${reason}`;
    return new OctavoError(
      'unavailable',
      `no node of "${service}" (asked registry "${this.#registry.name}"${why})`,
      { executed: false },
    );
  }
}

const NONE: readonly Filter[] = [];

/** What nodes speak: a client of another protocol or transport finds none of them. */
function spoken(nodes: readonly Node[]): string {
  const wires = nodes.map(({ metadata: { protocol = 'mucp', transport } }) =>
    transport === undefined || transport === protocol ? protocol : `${protocol} over ${transport}`,
  );
  return [...new Set(wires)].slice(0, 5).join(', ');
}

function same(a: readonly Filter[], b: readonly Filter[]): boolean {
  return a === b || (a.length === b.length && a.every((filter, at) => filter === b[at]));
}

/** Those of which it does not hold; all where it holds of all. */
function others(nodes: readonly Node[], leftOut: (node: Node) => boolean): readonly Node[] {
  const left = nodes.filter((node) => !leftOut(node));
  return left.length > 0 ? left : nodes;
}
