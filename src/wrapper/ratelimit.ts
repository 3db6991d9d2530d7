import { OctavoError, RETRY_AFTER } from '../core/error.js';
import { Bounded } from './bounded.js';
import { nameOf, type NamedBy } from './named-by.js';
import type { Wrapper } from './wrapper.js';

export interface RateLimitOptions {
  /** How many calls, streams or events there may be in a second, on average, under each name. */
  readonly perSecond: number;
  /** How many there may be at once after a pause. @defaultValue `perSecond`, at least 1 */
  readonly burst?: number;
  /** Who has a limit of its own: `'peer'` (a host), `'principal'` (a host while it has none), `'endpoint'`, `'service'`, `'node'`, `'all'`, or as a function says. @defaultValue `'peer'` */
  readonly by?: NamedBy;
  /** How many names it knows; the one that was seen longest ago is forgotten, and begins anew. @defaultValue `10_000` */
  readonly maxNames?: number;
}

export interface RateLimitStats {
  readonly names: number;
  readonly refused: number;
}

/** A wrapper that shows whom it knows. */
export interface RateLimit extends Wrapper {
  stats(): RateLimitStats;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Lets so many calls a second in. More are refused with `resource_exhausted`, unexecuted, with when to come again (`retry_after`). */
export function ratelimit({
  perSecond,
  burst = Math.max(1, perSecond),
  by = 'peer',
  maxNames = 10_000,
}: RateLimitOptions): RateLimit {
  if (!(perSecond > 0) || !(burst >= 1))
    throw new OctavoError(
      'invalid_argument',
      `ratelimit: perSecond ${perSecond} is over 0, and burst ${burst} at least 1`,
    );
  const buckets = new Bounded<Bucket>(maxNames);
  let refused = 0;
  const wrapper: Wrapper = (call, next) => {
    const now = call.context.clock.now();
    const name = nameOf(call, by);
    const bucket = buckets.get(name) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1_000);
    bucket.at = now;
    buckets.set(name, bucket);
    if (bucket.tokens >= 1) {
      bucket.tokens--;
      return next(call);
    }
    refused++;
    const ms = Math.ceil(((1 - bucket.tokens) * 1_000) / perSecond);
    const what = `${call.endpoint}: more than ${perSecond} a second (ratelimit): try again in ${ms} ms`;
    return Promise.reject(
      new OctavoError('resource_exhausted', what, { executed: false, details: [{ type: RETRY_AFTER, ms }] }),
    );
  };
  return Object.assign(wrapper, { stats: () => ({ names: buckets.size, refused }) });
}
