/** The connections that were dialled. */
export interface PoolStats {
  readonly open: number;
  /** How many of those carry nothing. */
  readonly idle: number;
  /** How many calls wait for one. */
  readonly waiting: number;
}

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
