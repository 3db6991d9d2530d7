/** How many connections to one address there are, for what keeps any. */
export interface PoolOptions {
  /** How many idle connections are kept. @defaultValue `100` */
  readonly size?: number;
  /** For how long after it was opened a connection is used again, in milliseconds. @defaultValue `60_000` */
  readonly ttlMs?: number;
  /** How many connections there are at most; who dials waits for one. @defaultValue `4_096` */
  readonly maxConnections?: number;
  /** How many wait at most; more are refused with `resource_exhausted`. @defaultValue `4_096` */
  readonly maxQueue?: number;
}

/** The pool of who names none. */
export const POOL: Required<PoolOptions> = {
  size: 100,
  ttlMs: 60_000,
  maxConnections: 4_096,
  maxQueue: 4_096,
};
