import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** How often the event loop goes round for what a timer set off. Calls over the memory stack take fewer turns. */
const TURNS = 20;

/** A clock that stands still until a test moves it. */
export class VirtualClock extends Clock {
  readonly name = 'virtual';
  #now: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  /** @param now where it begins, in milliseconds since the epoch */
  constructor(now = Date.UTC(2026, 0, 1)) {
    super();
    this.#now = now;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#pending.size;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const timer: Pending = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#pending.add(timer);
    return { cancel: () => void this.#pending.delete(timer) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        timer.cancel();
        reject(new OctavoError('cancelled', 'the sleep was aborted', { cause: signal?.reason }));
      };
      const timer = this.after(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      if (signal?.aborted === true) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Moves time on, and runs what falls due, in order, each with time for what it sets off. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = Math.max(this.#now, until);
  }

  #next(until: number): Pending | undefined {
    let first: Pending | undefined;
    for (const each of this.#pending)
      if (
        each.at <= until &&
        (first === undefined || each.at < first.at || (each.at === first.at && each.order < first.order))
      )
        first = each;
    return first;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}
