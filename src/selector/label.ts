import { Clock } from '../core/clock.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node } from '../registry/registry.js';
import {
  RegistrySelector,
  type RegistrySelectorOptions,
  type RegistrySelectorParts,
} from './registry-selector.js';
import type { Selector, Strategy } from './selector.js';

export interface LabelSelectorOptions extends RegistrySelectorOptions {
  /** Names and values of metadata, the most wanted first: `[['zone', 'a'], ['disk', 'ssd']]`. @defaultValue none */
  readonly labels?: readonly (readonly [name: string, value: string])[];
}

/**
 * Prefers nodes by their labels, and goes to others where those were tried or cannot be reached. Among equals it goes round, in the registry's order.
 *
 * Source: go-micro plugins v4 `selector/label`, which begins with the first node at each call.
 */
export class LabelSelector extends RegistrySelector {
  readonly name = 'label';
  readonly #labels: readonly (readonly [name: string, value: string])[];
  /** The most wanted of each list that came. */
  readonly #best = new WeakMap<readonly Node[], readonly Node[]>();

  constructor(
    { labels = [], strategy = inTurn(), ...options }: LabelSelectorOptions,
    parts: RegistrySelectorParts,
  ) {
    super({ strategy, ...options }, parts);
    this.#labels = labels;
  }

  protected override preferred(_service: string, nodes: readonly Node[]): readonly Node[] {
    const known = this.#best.get(nodes);
    if (known !== undefined) return known;
    const ranks = nodes.map((node) => this.#rank(node));
    const best = ranks.reduce((least, rank) => Math.min(least, rank), Infinity);
    const left = ranks.every((rank) => rank === best) ? nodes : nodes.filter((_, at) => ranks[at] === best);
    this.#best.set(nodes, left);
    return left;
  }

  /** The place of the first label that a node has. */
  #rank({ metadata }: Node): number {
    const at = this.#labels.findIndex(([name, value]) => metadata[name] === value);
    return at < 0 ? this.#labels.length : at;
  }
}

/** Prefers nodes by their labels. */
export function label(options: LabelSelectorOptions = {}): Provider<Selector> {
  return (resolve) => new LabelSelector(options, { registry: resolve(Registry), clock: resolve(Clock) });
}

/** Each node of a list in turn, from the first on. */
function inTurn(): Strategy {
  const turns = new WeakMap<readonly Node[], number>();
  return (_, nodes) => {
    const turn = turns.get(nodes) ?? 0;
    turns.set(nodes, (turn + 1) % nodes.length);
    // A strategy is given at least one node.
    return nodes[turn] as Node;
  };
}
