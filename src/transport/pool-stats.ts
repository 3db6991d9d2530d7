import type { TransportStats } from './transport.js';

/** The connections that were dialled. */
export type PoolStats = Omit<TransportStats, 'accepted'>;

/** Those of several addresses together. */
export function inAll(pools: Iterable<{ readonly stats: PoolStats }>): PoolStats {
  const sum = { open: 0, idle: 0, waiting: 0 };
  for (const { stats } of pools) {
    sum.open += stats.open;
    sum.idle += stats.idle;
    sum.waiting += stats.waiting;
  }
  return sum;
}
