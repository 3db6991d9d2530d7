import type { Clock, Timer } from './clock.js';
import { Crowd } from './crowd.js';

/** Something that ends at a time unless it ended before. */
export interface Expiring {
  /** Called once, when its time has come. */
  expire(): void;
}

/** What lets go of something that ended before its time. Twice is once. */
export interface Expiry {
  leave(): void;
}

/** How far apart shared timers are, in milliseconds: so much later than its time something may end. */
const GRAIN_MS = 10;
/** What has less time than this, in milliseconds, gets a timer of its own, as the grain would be felt. */
const OWN_TIMER_MS = 500;

/** Ends many things, each at its time, by few timers: one for each call would be a good part of what a call costs. */
export class Deadlines {
  readonly #clock: Clock;
  /** Those that end together, by the time of their end, in grains since the epoch. */
  readonly #buckets = new Map<number, Crowd<Expiring>>();
  /** The bucket that was used last, as most things have the same time. */
  #lastEnd = 0;
  #last: Crowd<Expiring> | undefined = undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Has something that has so many milliseconds expire at this time, unless the expiry is left. */
  add(entry: Expiring, at: number, ms: number): Expiry {
    if (ms < OWN_TIMER_MS) return new OwnTimer(this.#clock.after(ms, () => entry.expire()));
    const end = Math.ceil(at / GRAIN_MS);
    if (this.#last === undefined || end !== this.#lastEnd) {
      this.#last = this.#buckets.get(end) ?? this.#open(end);
      this.#lastEnd = end;
    }
    return this.#last.add(entry);
  }

  #open(end: number): Crowd<Expiring> {
    const bucket = new Crowd<Expiring>(() => {
      timer.cancel();
      this.#close(end);
    });
    const timer = this.#clock.after(end * GRAIN_MS - this.#clock.now(), () => {
      this.#close(end);
      for (const entry of bucket) entry.expire();
    });
    this.#buckets.set(end, bucket);
    return bucket;
  }

  #close(end: number): void {
    this.#buckets.delete(end);
    if (end === this.#lastEnd) this.#last = undefined;
  }
}

class OwnTimer implements Expiry {
  readonly #timer: Timer;

  constructor(timer: Timer) {
    this.#timer = timer;
  }

  leave(): void {
    this.#timer.cancel();
  }
}
