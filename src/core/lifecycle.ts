/** A value that may be there already. Only a real promise is worth awaiting on a hot path. */
export type MaybePromise<T> = T | Promise<T>;

/** Whether this value has to be awaited. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

/**
 * Something that is opened before use and closed after it.
 *
 * A constructor opens nothing. `start` twice opens once; `stop` without `start` and `stop` twice do nothing; `start` after `stop` opens again.
 */
export interface Lifecycle {
  /** Opens what this thing needs. Rejects, with everything closed again, when it cannot. */
  start?(): MaybePromise<void>;
  /** Closes everything that `start` opened, and ends what still runs. */
  stop?(): MaybePromise<void>;
}
