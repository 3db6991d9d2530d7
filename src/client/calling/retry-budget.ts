import type { Clock } from '../../core/clock.js';
import type { RetryBudgetOptions } from '../client.js';

/** How many parts the window moves on by. */
const SLOTS = 10;
/** How many services are counted. */
const MOST = 10_000;

interface Counts {
  calls: number;
  retries: number;
}

/** What happened to one service's calls lately. */
interface Window {
  readonly slots: readonly Counts[];
  /** The number of the newest slot, counted from the epoch. */
  newest: number;
}

/**
 * Allows retries up to a share of the calls of the last seconds, for each service, so that one in trouble does not get more calls for it.
 *
 * Source: the retry budgets of Finagle and Linkerd.
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #slotMs: number;
  readonly #ratio: number;
  readonly #minimum: number;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock, { ratio = 0.2, windowMs = 10_000, minimum = 10 }: RetryBudgetOptions = {}) {
    this.#clock = clock;
    this.#slotMs = windowMs / SLOTS;
    this.#ratio = ratio;
    this.#minimum = minimum;
  }

  /** Counts a call, that begins now. */
  call(service: string, now: number): void {
    this.#slot(this.#window(service), now).calls++;
  }

  /** Whether one more retry may be made; it is counted then. */
  take(service: string): boolean {
    const window = this.#window(service);
    const slot = this.#slot(window, this.#clock.now());
    const { slots } = window;
    const retries = slots.reduce((sum, each) => sum + each.retries, 0);
    const calls = slots.reduce((sum, each) => sum + each.calls, 0);
    if (retries >= Math.max(this.#minimum, calls * this.#ratio)) return false;
    slot.retries++;
    return true;
  }

  #slot(window: Window, now: number): Counts {
    const newest = Math.floor(now / this.#slotMs);
    if (newest === window.newest) return slotOf(window, newest);
    for (let at = Math.max(window.newest + 1, newest - SLOTS + 1); at <= newest; at++) {
      const slot = slotOf(window, at);
      slot.calls = 0;
      slot.retries = 0;
    }
    window.newest = newest;
    return slotOf(window, newest);
  }

  #window(service: string): Window {
    const known = this.#windows.get(service);
    if (known !== undefined) return known;
    if (this.#windows.size >= MOST) this.#windows.clear();
    const slots = Array.from({ length: SLOTS }, () => ({ calls: 0, retries: 0 }));
    const window: Window = { slots, newest: 0 };
    this.#windows.set(service, window);
    return window;
  }
}

function slotOf({ slots }: Window, number: number): Counts {
  // There are as many as the remainder can be.
  return slots[number % SLOTS] as Counts;
}
