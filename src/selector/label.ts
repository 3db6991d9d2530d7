import { Clock } from '../core/clock.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node } from '../registry/registry.js';
import {
  RegistrySelector,
  type RegistrySelectorOptions,
  type RegistrySelectorParts,
} from './registry-selector.js';
import type { SelectOptions, Selector, Strategy } from './selector.js';

export interface LabelSelectorOptions extends RegistrySelectorOptions {
  /** Names and values of metadata, the most wanted first: `[['zone', 'a'], ['disk', 'ssd']]`. @defaultValue none */
  readonly labels?: readonly (readonly [name: string, value: string])[];
}

/** How many services it remembers a turn of. */
const MOST = 10_000;

/**
 * Prefers nodes by their labels, and goes to others where those were tried or cannot be reached. Without a strategy, each call begins with the
 * next of the most wanted nodes, and goes on in the registry's order.
 *
 * Source: go-micro plugins v4 `selector/label`, where each call begins with the first.
 */
export class LabelSelector extends RegistrySelector {
  readonly name = 'label';
  readonly #labels: readonly (readonly [name: string, value: string])[];
  readonly #goesRound: boolean;
  readonly #turns = new Map<string, number>();
  /** The most wanted of each list that came. */
  readonly #best = new WeakMap<readonly Node[], readonly Node[]>();

  constructor({ labels = [], strategy, ...options }: LabelSelectorOptions, parts: RegistrySelectorParts) {
    super({ ...options, strategy: strategy ?? from(0) }, parts);
    this.#labels = labels;
    this.#goesRound = strategy === undefined;
  }

  protected override strategyFor(service: string, { strategy, probe }: SelectOptions): Strategy | undefined {
    if (!this.#goesRound || strategy !== undefined) return undefined;
    const turn = this.#turns.get(service) ?? 0;
    if (probe !== true) {
      if (this.#turns.size >= MOST) this.#turns.clear();
      this.#turns.set(service, (turn + 1) % Number.MAX_SAFE_INTEGER);
    }
    return from(turn);
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

/** The node at a place, counted round. */
function from(turn: number): Strategy {
  // A strategy is given at least one node.
  return (_, nodes) => nodes[turn % nodes.length] as Node;
}
