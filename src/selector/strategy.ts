import type { Strategy } from './selector.js';

/** Any node, each as likely as the others. */
export function random(): Strategy {
  return (_, nodes) => pick(nodes, Math.floor(Math.random() * nodes.length));
}

/** How many services round robin remembers. */
const MOST = 10_000;

/** Each node in turn, across calls. */
export function roundRobin(): Strategy {
  const turns = new Map<string, number>();
  return (service, nodes) => {
    const turn = turns.get(service) ?? Math.floor(Math.random() * nodes.length);
    if (turns.size >= MOST && !turns.has(service)) turns.clear();
    turns.set(service, (turn + 1) % Number.MAX_SAFE_INTEGER);
    return pick(nodes, turn % nodes.length);
  };
}

function pick<T>(items: readonly T[], at: number): T {
  // A strategy is given at least one node.
  return items[at] as T;
}
