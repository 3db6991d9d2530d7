import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { POOL, type DialOptions, type PoolOptions } from '../transport.js';
import type { PoolStats } from '../../core/pool-stats.js';
import type { Dialled } from './dialled.js';

/** Somebody who waits for a connection, or for the right to open one, which is told by `undefined`. */
interface Waiting {
  readonly stream: boolean;
  readonly settle: (outcome: Dialled | OctavoError | undefined) => void;
}

/** The connections to one address: those that are free, the newest first, as go-micro's pool has it, and how many there may be. */
export class Pool {
  readonly #address: string;
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #all = new Set<Dialled>();
  readonly #idle: Dialled[] = [];
  readonly #waiting = new Set<Waiting>();
  #opening = 0;
  #sweep: Timer | undefined;

  /** @param onEmpty called when there is nothing left to remember */
  constructor(address: string, clock: Clock, onEmpty: () => void) {
    this.#address = address;
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }

  get stats(): PoolStats {
    return { open: this.#all.size, idle: this.#idle.length, waiting: this.#waiting.size };
  }

  /** A free connection that is young enough. */
  take({ ttlMs = POOL.ttlMs }: PoolOptions = {}): Dialled | undefined {
    for (let one = this.#idle.pop(); one !== undefined; one = this.#idle.pop()) {
      if (!one.flow.closed && this.#clock.now() - one.openedAt < ttlMs) {
        one.flow.background = false;
        return one;
      }
      one.flow.end();
    }
    return undefined;
  }

  /**
   * Resolves with `undefined` when a connection may be opened: then {@link add} or {@link gone} must follow. Resolves with a connection when
   * one becomes free before. Rejects when it takes too long, or when too many wait already.
   */
  room({
    stream = false,
    timeoutMs = 5_000,
    cancellation,
    pool = {},
  }: DialOptions): MaybePromise<Dialled | undefined> {
    const { maxConnections = POOL.maxConnections, maxQueue = POOL.maxQueue } = pool;
    if (this.#all.size + this.#opening < maxConnections) {
      this.#opening++;
      return undefined;
    }
    const full = `all ${maxConnections} connections to ${this.#address} are busy (maxConnections)`;
    if (this.#waiting.size >= maxQueue)
      throw unsent('resource_exhausted', `${full}, and ${maxQueue} calls wait for one (maxQueue)`);
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    // A stream opens its own connection, so one that is free only takes its place.
    this.#idle.shift()?.flow.end();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        stream,
        settle: (outcome) => {
          this.#waiting.delete(waiting);
          timer.cancel();
          forget?.();
          if (outcome instanceof OctavoError) reject(outcome);
          else resolve(outcome);
        },
      };
      const late = unsent(
        'deadline_exceeded',
        `${full}, and none was free within ${Math.round(timeoutMs)} ms`,
      );
      const timer = this.#clock.after(timeoutMs, () => waiting.settle(late));
      this.#waiting.add(waiting);
      const forget = cancellation?.onCancel(waiting.settle);
    });
  }

  /** A connection was opened. */
  add(connection: Dialled): void {
    this.#opening--;
    this.#all.add(connection);
  }

  /** Takes a connection back that is free again. */
  give(connection: Dialled, { size = POOL.size, ttlMs = POOL.ttlMs }: PoolOptions = {}): void {
    const old = this.#clock.now() - connection.openedAt >= ttlMs;
    const [first] = this.#waiting;
    if (first !== undefined && !first.stream && !old) return first.settle(connection);
    if (old || first !== undefined || this.#idle.length >= size) return connection.flow.end();
    this.#idle.push(connection);
    connection.flow.background = true;
    this.#sweep ??= this.#clock.after(ttlMs, () => this.#sweepIdle(ttlMs), { background: true });
  }

  /** A connection is no more; or, without one, could not be opened. Telling it twice is once. */
  gone(connection?: Dialled): void {
    if (connection === undefined) this.#opening--;
    else if (!this.#all.delete(connection)) return;
    else {
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    }
    const [first] = this.#waiting;
    if (first !== undefined) {
      this.#opening++;
      first.settle(undefined);
    } else if (this.#all.size + this.#opening === 0) {
      this.#sweep?.cancel();
      this.#onEmpty();
    }
  }

  destroy(): void {
    const stopped = unsent(
      'unavailable',
      `the http transport was stopped while a call waited for ${this.#address}`,
    );
    for (const waiting of [...this.#waiting]) waiting.settle(stopped);
    for (const connection of [...this.#all]) connection.flow.destroy();
    this.#sweep?.cancel();
    this.#idle.length = 0;
  }

  /** Lets go of what is free and too old to be used again. */
  #sweepIdle(ttlMs: number): void {
    const now = this.#clock.now();
    for (const connection of [...this.#idle]) {
      if (now - connection.openedAt < ttlMs) continue;
      this.#idle.splice(this.#idle.indexOf(connection), 1);
      connection.flow.end();
    }
    this.#sweep =
      this.#idle.length === 0
        ? undefined
        : this.#clock.after(ttlMs, () => this.#sweepIdle(ttlMs), { background: true });
  }
}

function unsent(
  code: 'resource_exhausted' | 'deadline_exceeded' | 'unavailable',
  message: string,
): OctavoError {
  return new OctavoError(code, message, { executed: false });
}
