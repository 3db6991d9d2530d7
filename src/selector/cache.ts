import { OctavoError } from '../core/error.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node, type ServiceRecord } from '../registry/registry.js';
import { Selector, type Filter, type NextNode, type SelectOptions, type Strategy } from './selector.js';
import { random } from './strategy.js';

export interface CacheSelectorOptions {
  /** @defaultValue `random()` */
  readonly strategy?: Strategy;
}

/** Chooses among what the registry knows. */
export class CacheSelector extends Selector {
  readonly name = 'cache';
  readonly #registry: Registry;
  readonly #strategy: Strategy;

  constructor({ strategy = random() }: CacheSelectorOptions, { registry }: { readonly registry: Registry }) {
    super();
    this.#strategy = strategy;
    this.#registry = registry;
  }

  start(): void {}
  stop(): void {}
  mark(): void {}
  reset(): void {}

  select(service: string, options: SelectOptions = {}): MaybePromise<NextNode> {
    const found = this.#registry.getService(service);
    return isPromise(found)
      ? found.then((it) => this.#choose(service, it, options))
      : this.#choose(service, found, options);
  }

  #choose(
    service: string,
    found: readonly ServiceRecord[],
    { filters = [], strategy = this.#strategy }: SelectOptions,
  ): NextNode {
    const left = filters.reduce<readonly ServiceRecord[]>(
      (services, filter: Filter) => filter(services),
      found,
    );
    const nodes = left.flatMap((each) => each.nodes);
    if (nodes.length === 0)
      throw new OctavoError(
        'unavailable',
        `no node of "${service}" (asked registry "${this.#registry.name}")`,
        { executed: false },
      );
    return (tried) => strategy(service, untried(nodes, tried));
  }
}

function untried(nodes: readonly Node[], tried: ReadonlySet<string> | undefined): readonly Node[] {
  if (tried === undefined || tried.size === 0) return nodes;
  const left = nodes.filter(({ id }) => !tried.has(id));
  return left.length > 0 ? left : nodes;
}

/** Chooses among what the registry knows. */
export function cache(options: CacheSelectorOptions = {}): Provider<Selector> {
  return (resolve) => new CacheSelector(options, { registry: resolve(Registry) });
}
