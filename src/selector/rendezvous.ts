import { HighwayHash, ZERO_KEY } from '../core/highway-hash.js';
import type { Node } from '../registry/registry.js';
import type { Strategy } from './selector.js';

/** For how many keys the node of one list is remembered, and how long they may be. */
const MOST = 10_000;
const LONGEST = 256;

/**
 * Rendezvous hashing: each key has a node, and keeps it while that is there. One node that comes or goes among n moves one key of n.
 *
 * It hashes as go-micro's shard selector does, so that callers in either agree. A key that was asked for among the same nodes is remembered;
 * one that was not costs a hash of each node. Source: go-micro plugins v4 `selector/shard`.
 */
export class Rendezvous {
  readonly #hash = new HighwayHash();
  readonly #chosen = new WeakMap<readonly Node[], Map<string, Node>>();

  /** The node of a key, among at least one. */
  choose(key: string, nodes: readonly Node[]): Node {
    let known = this.#chosen.get(nodes);
    if (known === undefined) {
      known = new Map();
      this.#chosen.set(nodes, known);
    }
    const remembered = known.get(key);
    if (remembered !== undefined) return remembered;
    const chosen = this.#best(key, nodes);
    if (key.length > LONGEST) return chosen;
    if (known.size >= MOST) known.clear();
    known.set(key, chosen);
    return chosen;
  }

  /** That of the highest score; of several the last. */
  #best(key: string, nodes: readonly Node[]): Node {
    const base = this.#hash.sum256(Buffer.from(key), ZERO_KEY);
    let [best] = nodes;
    let [bestLow, bestHigh] = [0, 0];
    for (const node of nodes) {
      const [low, high] = this.#hash.sum64(Buffer.from(node.id), base);
      if (high < bestHigh || (high === bestHigh && low < bestLow)) continue;
      [best, bestLow, bestHigh] = [node, low, high];
    }
    // A strategy is given at least one node.
    return best as Node;
  }
}

/** The node of some keys, the same for every caller: `strategy: rendezvous('user-7')`. Make it once for each key, or use the shard selector. */
export function rendezvous(...keys: readonly string[]): Strategy {
  const hashing = new Rendezvous();
  const key = keys.join(':');
  return (_, nodes) => hashing.choose(key, nodes);
}
