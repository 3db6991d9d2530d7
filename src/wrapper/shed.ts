import { OctavoError, type Code } from '../core/error.js';
import { Bounded } from './bounded.js';
import { nameOf, type NamedBy } from './named-by.js';
import type { Reading, Wrapper } from './wrapper.js';

export interface ShedOptions {
  /** What has a limit of its own: calls that take equally long. @defaultValue `'endpoint'` */
  readonly by?: NamedBy;
  /** How many may be in hand in the beginning. @defaultValue `20` */
  readonly initial?: number;
  /** The least that the limit falls to. @defaultValue `20` */
  readonly min?: number;
  /** The most that it rises to. @defaultValue `1_000` */
  readonly max?: number;
  /** How much longer than usual calls may take before the limit falls, as a factor. @defaultValue `1.5` */
  readonly tolerance?: number;
  /** How many may wait behind others without being a sign of trouble. @defaultValue `4` */
  readonly queue?: number;
  /** How often the limit is thought over, in milliseconds; at least 10 calls must have ended. @defaultValue `1_000` */
  readonly windowMs?: number;
}

export interface ShedState {
  /** How many calls may be in hand. */
  readonly limit: number;
  readonly running: number;
  readonly refused: number;
  /** How long calls take usually, in milliseconds. */
  readonly usualMs: number;
}

/** A wrapper that shows its limits. */
export interface Shed extends Wrapper {
  /** The limit under each name that it knows. */
  states(): ReadonlyMap<string, ShedState>;
}

/** How many names it knows. */
const MOST_NAMES = 1_000;

/**
 * Refuses unary calls and events with `resource_exhausted`, unexecuted, before they make all others slow: it finds out how many can be in
 * hand at once from how long they take, counted from their arrival. Streams go through, as their length says nothing.
 *
 * Source: `Gradient2Limit` and `WindowedLimit` of Netflix/concurrency-limits; "Performance Under Load", Netflix Technology Blog, 2018.
 */
export function shed(options: ShedOptions = {}): Shed {
  const { by = 'endpoint' } = options;
  const limits = new Bounded<Limit>(MOST_NAMES);
  const wrapper: Wrapper = async (call, next) => {
    const { kind, context, endpoint } = call;
    if (kind !== 'unary' && kind !== 'event') return next(call);
    const name = nameOf(call, by);
    let limit = limits.get(name);
    if (limit === undefined) limits.set(name, (limit = new Limit(options)));
    if (!limit.enter())
      throw new OctavoError(
        'resource_exhausted',
        `${endpoint}: too busy, ${limit.running} calls are in hand (shed)`,
        {
          executed: false,
        },
      );
    let code: Code | 'ok' = 'ok';
    try {
      return await next(call);
    } catch (reason) {
      ({ code } = OctavoError.from(reason));
      throw reason;
    } finally {
      const now = context.clock.now();
      limit.leave(now, code === 'ok' || code === 'deadline_exceeded' ? now - context.begunAt : undefined);
    }
  };
  return Object.assign(wrapper, {
    states: () => new Map([...limits].map(([name, limit]) => [name, limit.state])),
    *readings(): Iterable<Reading> {
      for (const [name, { state }] of limits) {
        yield { what: 'shed_limit', name, value: state.limit };
        yield { what: 'shed_running', name, value: state.running };
        yield { what: 'shed_refused_total', name, value: state.refused };
      }
    },
  });
}

/** A call that is faster than this says more of the clock than of the load, in milliseconds. */
const LEAST_MS = 0.1;
/** How many calls must have ended for the limit to be thought over. */
const LEAST_CALLS = 10;
/** The share of the new limit in the next one. */
const SMOOTHING = 0.2;

/** How many calls may be in hand at once, found out from how long they take. */
class Limit {
  running = 0;
  readonly #min: number;
  readonly #max: number;
  readonly #tolerance: number;
  readonly #queue: number;
  readonly #windowMs: number;
  readonly #usual = new SlowAverage();
  #limit: number;
  #refused = 0;
  /** Since the last time that it was thought over. */
  #sumMs = 0;
  #calls = 0;
  #busiest = 0;
  #nextAt: number | undefined;

  constructor({
    initial = 20,
    min = 20,
    max = 1_000,
    tolerance = 1.5,
    queue = 4,
    windowMs = 1_000,
  }: ShedOptions) {
    this.#limit = Math.max(min, Math.min(max, initial));
    this.#min = min;
    this.#max = max;
    this.#tolerance = tolerance;
    this.#queue = queue;
    this.#windowMs = windowMs;
  }

  get state(): ShedState {
    const { running } = this;
    return { limit: Math.floor(this.#limit), running, refused: this.#refused, usualMs: this.#usual.value };
  }

  enter(): boolean {
    if (this.running >= Math.floor(this.#limit)) {
      this.#refused++;
      return false;
    }
    this.running++;
    this.#busiest = Math.max(this.#busiest, this.running);
    return true;
  }

  /** @param ms how long it took; `undefined` where that says nothing of the load */
  leave(now: number, ms: number | undefined): void {
    this.running--;
    if (ms === undefined || ms < LEAST_MS) return;
    this.#sumMs += ms;
    this.#calls++;
    this.#nextAt ??= now + this.#windowMs;
    if (now < this.#nextAt || this.#calls < LEAST_CALLS) return;
    this.#think(this.#sumMs / this.#calls, this.#busiest);
    this.#nextAt = now + this.#windowMs;
    this.#sumMs = 0;
    this.#calls = 0;
    this.#busiest = this.running;
  }

  #think(ms: number, busiest: number): void {
    const usual = this.#usual.add(ms);
    // After a long load the average is too long, and comes down faster.
    if (usual / ms > 2) this.#usual.value *= 0.95;
    // Where few are in hand, how long they take is not for their number.
    if (busiest < this.#limit / 2) return;
    const gradient = Math.max(0.5, Math.min(1, (this.#tolerance * usual) / ms));
    const next = this.#limit * gradient + this.#queue;
    const smooth = this.#limit * (1 - SMOOTHING) + next * SMOOTHING;
    this.#limit = Math.max(this.#min, Math.min(this.#max, smooth));
  }
}

/** An average in which each value weighs a little more than those before it; at first all weigh the same. */
class SlowAverage {
  value = 0;
  #count = 0;
  #sum = 0;

  add(ms: number): number {
    if (this.#count < 10) {
      this.#count++;
      this.#sum += ms;
      this.value = this.#sum / this.#count;
    } else {
      const weight = 2 / (600 + 1);
      this.value = this.value * (1 - weight) + ms * weight;
    }
    return this.value;
  }
}
