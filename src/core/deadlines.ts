import type { Clock, Timer } from './clock.js';

/** Something that ends at a time unless it ended before. */
export interface Expiring {
  /** Where it waits, for {@link Deadlines}: `undefined` at first. */
  expiry: Expiry | undefined;
  /** Called once, when its time has come. */
  expire(): void;
}

/** What lets go of something that ended before its time. */
export interface Expiry {
  release(entry: Expiring): void;
}

/** How far apart shared timers are, in milliseconds: so much later than its time something may end. */
const GRAIN_MS = 10;
/** What has less time than this, in milliseconds, gets a timer of its own, as the grain would be felt. */
const OWN_TIMER_MS = 500;

/** Ends many things, each at its time, by few timers: one for each call would be a good part of what a call costs. */
export class Deadlines {
  readonly #clock: Clock;
  /** By the time of their end, in grains since the epoch. */
  readonly #buckets = new Map<number, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Has something expire in so many milliseconds. {@link Deadlines.remove} takes it back. */
  add(entry: Expiring, ms: number): void {
    if (ms < OWN_TIMER_MS) {
      entry.expiry = new OwnTimer(this.#clock.after(ms, () => entry.expire()));
      return;
    }
    const now = this.#clock.now();
    const end = Math.ceil((now + ms) / GRAIN_MS);
    let bucket = this.#buckets.get(end);
    if (bucket === undefined) {
      bucket = new Bucket(() => this.#buckets.delete(end));
      this.#buckets.set(end, bucket);
      bucket.wait(this.#clock, end * GRAIN_MS - now);
    }
    bucket.entries.add(entry);
    entry.expiry = bucket;
  }

  /** Lets go of something. What never was added, or has expired, is ignored. */
  static remove(entry: Expiring): void {
    entry.expiry?.release(entry);
    entry.expiry = undefined;
  }
}

class OwnTimer implements Expiry {
  readonly #timer: Timer;

  constructor(timer: Timer) {
    this.#timer = timer;
  }

  release(): void {
    this.#timer.cancel();
  }
}

/** Those that end together. */
class Bucket implements Expiry {
  readonly entries = new Set<Expiring>();
  readonly #onOver: () => void;
  #timer: Timer | undefined;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  wait(clock: Clock, ms: number): void {
    this.#timer = clock.after(ms, () => {
      this.#onOver();
      for (const entry of this.entries) {
        entry.expiry = undefined;
        entry.expire();
      }
    });
  }

  release(entry: Expiring): void {
    this.entries.delete(entry);
    if (this.entries.size > 0) return;
    this.#timer?.cancel();
    this.#onOver();
  }
}
