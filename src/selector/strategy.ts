import type { Node } from '../registry/registry.js';
import type { Strategy } from './selector.js';

/** Any node, each as likely as the others. */
export function random(): Strategy {
  return (_, nodes) => pick(nodes, Math.floor(Math.random() * nodes.length));
}

/** How many services round robin remembers. */
const MOST = 10_000;

/** Each node in turn, across calls. */
export function roundRobin(): Strategy {
  const turnOf = turns();
  return (service, nodes) => pick(nodes, turnOf(service, nodes.length));
}

export interface WeightedOptions {
  /** The name of the metadata that says a node's weight, a number. @defaultValue `'weight'` */
  readonly key?: string;
  /** The weight of a node that does not say one. @defaultValue `1` */
  readonly otherwise?: number;
}

/** Any node, as often as its weight says: one of 2 twice as often as one of 1, one of 0 only where there is no other. */
export function weighted({ key = 'weight', otherwise = 1 }: WeightedOptions = {}): Strategy {
  const known = new WeakMap<readonly Node[], Float64Array>();
  return (_, nodes) => {
    let sums = known.get(nodes);
    if (sums === undefined) {
      sums = sumsOf(nodes.map(({ metadata }) => weightIn(metadata[key], otherwise)));
      known.set(nodes, sums);
    }
    const total = sums[sums.length - 1] ?? 0;
    if (total === 0) return pick(nodes, Math.floor(Math.random() * nodes.length));
    return pick(nodes, firstOver(sums, Math.random() * total));
  };
}

/** How many nodes are looked at for the one with the least. */
const MOST_LOOKED_AT = 64;

/** The node with the fewest attempts under way, going round: among more than 64, of the next 64. */
export function leastInFlight(): Strategy {
  const turnOf = turns();
  return (service, nodes, load) => {
    const start = turnOf(service, nodes.length);
    let best = pick(nodes, start);
    let least = load?.inFlight(service, best) ?? 0;
    for (let step = 1; least > 0 && step < nodes.length && step < MOST_LOOKED_AT; step++) {
      const node = pick(nodes, (start + step) % nodes.length);
      const count = load?.inFlight(service, node) ?? 0;
      if (count < least) [best, least] = [node, count];
    }
    return best;
  };
}

/** Counts for each service by itself, from anywhere on: places among so many. */
function turns(): (service: string, places: number) => number {
  const known = new Map<string, number>();
  return (service, places) => {
    const turn = known.get(service) ?? Math.floor(Math.random() * places);
    if (known.size >= MOST && !known.has(service)) known.clear();
    known.set(service, (turn + 1) % Number.MAX_SAFE_INTEGER);
    return turn % places;
  };
}

function pick<T>(items: readonly T[], at: number): T {
  // A strategy is given at least one node.
  return items[at] as T;
}

/** The highest weight: sums of all there can be stay exact enough. */
const HEAVIEST = 1e9;

function weightIn(text: string | undefined, otherwise: number): number {
  const weight = text === undefined || text.trim() === '' ? otherwise : Number(text);
  return weight >= 0 && weight <= HEAVIEST ? weight : otherwise;
}

/** Each weight and those before it. */
function sumsOf(weights: readonly number[]): Float64Array {
  const sums = new Float64Array(weights.length);
  let sum = 0;
  for (const [at, weight] of weights.entries()) sums[at] = sum += weight;
  return sums;
}

/** The place of the first sum that is more than this: one of weight 0 has none that its neighbour has not. */
function firstOver(sums: Float64Array, value: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
