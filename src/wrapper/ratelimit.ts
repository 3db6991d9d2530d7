import type { Clock } from '../core/clock.js';
import { OctavoError, RETRY_AFTER } from '../core/error.js';
import { isPromise, type Lifecycle, type MaybePromise } from '../core/lifecycle.js';
import { Bounded } from './bounded.js';
import { nameOf, type NamedBy } from './named-by.js';
import type { Assembled, Call, Next, Reading, Reply, Wrapper } from './wrapper.js';

/** How a bucket fills: so many tokens a second, up to the burst. */
export interface TokenRate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Keeps the buckets. One that several processes share makes their limits one. */
export interface RateLimitStore {
  /**
   * Takes a token out of a bucket, in one step: gives 0, or for how long there is none, in milliseconds. A bucket that is not known is full.
   *
   * @throws or rejects, in time, where it cannot be known
   */
  take(name: string, rate: TokenRate, clock: Clock): MaybePromise<number>;
  /** As {@link Wrapper.joins}. */
  readonly joins?: (app: Assembled) => Lifecycle;
}

export interface RateLimitOptions {
  /** How many calls, streams or events there may be in a second, on average, under each name. */
  readonly perSecond: number;
  /** How many there may be at once after a pause. @defaultValue `perSecond`, at least 1 */
  readonly burst?: number;
  /** Who has a limit of its own: `'peer'` (a host), `'principal'` (a host while it has none), `'endpoint'`, `'service'`, `'node'`, `'all'`, or as a function says. @defaultValue `'peer'` */
  readonly by?: NamedBy;
  /** How many names it knows; the one that was seen longest ago is forgotten, and begins anew. @defaultValue `10_000` */
  readonly maxNames?: number;
  /** Where the limit is kept, for several processes to share it. @defaultValue the memory of this process */
  readonly store?: RateLimitStore;
  /** What holds while the store cannot say: `'local'`, the same limit for this process alone; `'open'`, none; `'closed'`, every call is refused. @defaultValue `'local'` */
  readonly whenDown?: 'local' | 'open' | 'closed';
}

export interface RateLimitStats {
  /** How many names this process knows by itself. */
  readonly names: number;
  readonly refused: number;
  /** How often the store could not say. */
  readonly failed: number;
}

/** A wrapper that shows whom it knows. */
export interface RateLimit extends Wrapper {
  stats(): RateLimitStats;
}

/** Lets so many calls a second in. More are refused with `resource_exhausted`, unexecuted, with when to come again (`retry_after`). */
export function ratelimit(options: RateLimitOptions): RateLimit {
  const { perSecond, burst = Math.max(1, perSecond), store } = options;
  if (!(perSecond > 0) || !(burst >= 1) || !Number.isFinite(burst / perSecond))
    throw new OctavoError(
      'invalid_argument',
      `ratelimit: perSecond ${perSecond} is over 0, and burst ${burst} at least 1`,
    );
  const limiter = new Limiter(options, { perSecond, burst });
  const wrapper: Wrapper = (call, next) => limiter.handle(call, next);
  return Object.assign(wrapper, {
    stats: () => limiter.stats,
    readings: () => limiter.readings(),
    ...(store?.joins && { joins: store.joins }),
  });
}

/** One limit, at all the places where it is attached. */
class Limiter {
  readonly #by: NamedBy;
  readonly #rate: TokenRate;
  readonly #own: MemoryRateLimitStore;
  readonly #store: RateLimitStore | undefined;
  readonly #whenDown: 'local' | 'open' | 'closed';
  #refused = 0;
  #failed = 0;
  #down = false;

  constructor({ by = 'peer', maxNames, store, whenDown = 'local' }: RateLimitOptions, rate: TokenRate) {
    this.#by = by;
    this.#rate = rate;
    this.#own = new MemoryRateLimitStore(maxNames);
    this.#store = store;
    this.#whenDown = whenDown;
  }

  get stats(): RateLimitStats {
    return { names: this.#own.size, refused: this.#refused, failed: this.#failed };
  }

  *readings(): Iterable<Reading> {
    const { names, refused, failed } = this.stats;
    yield { what: 'ratelimit_names', name: '', value: names };
    yield { what: 'ratelimit_refused_total', name: '', value: refused };
    yield { what: 'ratelimit_failed_total', name: '', value: failed };
  }

  handle(call: Call, next: Next): Promise<Reply> {
    const name = nameOf(call, this.#by);
    const store = this.#store;
    if (store === undefined)
      return this.#go(call, next, this.#own.take(name, this.#rate, call.context.clock));
    return this.#shared(store, call, name).then((ms) => this.#go(call, next, ms));
  }

  async #shared(store: RateLimitStore, call: Call, name: string): Promise<number> {
    const { context, service, endpoint } = call;
    const { clock } = context;
    try {
      const taken = store.take(`${service} ${name}`, this.#rate, clock);
      const ms = isPromise(taken) ? await taken : taken;
      if (this.#down) context.log.info('a shared limit is known again');
      this.#down = false;
      return ms;
    } catch (cause) {
      this.#failed++;
      const whenDown = this.#whenDown;
      // Said once, and not for each call.
      if (!this.#down) context.log.warn('a shared limit cannot be known', { whenDown, error: cause });
      this.#down = true;
      if (whenDown === 'open') return 0;
      if (whenDown === 'local') return this.#own.take(name, this.#rate, clock);
      const what = `${endpoint}: nobody knows whether this is too much (ratelimit)`;
      throw new OctavoError('unavailable', what, { executed: false, cause });
    }
  }

  /** @param ms for how long there is no token; 0 where one was taken */
  #go(call: Call, next: Next, ms: number): Promise<Reply> {
    if (ms === 0) return next(call);
    this.#refused++;
    const { perSecond } = this.#rate;
    const what = `${call.endpoint}: more than ${perSecond} a second (ratelimit): try again in ${ms} ms`;
    return Promise.reject(
      new OctavoError('resource_exhausted', what, { executed: false, details: [{ type: RETRY_AFTER, ms }] }),
    );
  }
}

interface Bucket {
  tokens: number;
  at: number;
}

/** The memory of one process. The name that was seen longest ago makes room, and begins anew. */
class MemoryRateLimitStore implements RateLimitStore {
  readonly #buckets: Bounded<Bucket>;

  constructor(most = 10_000) {
    this.#buckets = new Bounded(most);
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(name: string, { perSecond, burst }: TokenRate, clock: Clock): number {
    const now = clock.now();
    const bucket = this.#buckets.get(name) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1_000);
    bucket.at = now;
    this.#buckets.set(name, bucket);
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) * 1_000) / perSecond);
    bucket.tokens--;
    return 0;
  }
}
