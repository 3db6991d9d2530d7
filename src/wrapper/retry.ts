import { OctavoError, type Code } from '../core/error.js';
import type { Call, Next, Place, Tries, Wrapper } from './wrapper.js';

export interface RetryOptions {
  /** How many more attempts there may be after the first. @defaultValue the client's */
  readonly retries?: number;
  /** How long to wait before an attempt, in milliseconds, counted from 1 for the second one. @defaultValue the client's */
  readonly backoff?: (retry: number) => number;
  /** The codes to try again after, where the endpoint is `idempotent` or the request was not executed. @defaultValue what is `retryable` */
  readonly codes?: readonly Code[];
  /** Decides instead of `codes`, and whether or not the endpoint is idempotent. */
  readonly retry?: (error: OctavoError, attempt: number) => boolean;
}

/**
 * Says how the client's one loop tries calls again. It has no loop of its own: the client's budget and the deadline hold, and two of them
 * around a call are the inner one, not the product.
 */
export function retry(options: RetryOptions = {}): Wrapper {
  return Object.assign(
    async (call: Call, next: Next) => {
      if (call.side === 'server')
        throw new OctavoError('failed_precondition', `${call.endpoint}: ${HANDLER}`);
      call.tries = { ...call.tries, ...triesOf(call, options) };
      return next(call);
    },
    { unfit },
  );
}

function triesOf({ idempotent }: Call, { retries, backoff, codes, retry: decide }: RetryOptions): Tries {
  const listed =
    codes &&
    (({ code, executed }: OctavoError) => codes.includes(code) && (idempotent || executed === false));
  const again = decide ?? listed;
  return {
    ...(retries !== undefined && { retries }),
    ...(backoff !== undefined && { backoff }),
    ...(again !== undefined && { retry: again }),
  };
}

const HANDLER =
  'retry stands around the calls of a client, which has the loop: a handler is run once for each call';

function unfit({ around }: Place): string | undefined {
  if (around === 'attempt')
    return 'retry says how often there is an attempt: put it into "wrappers", not "callWrappers"';
  if (around === 'publish')
    return 'retry stands around the calls of a client, whose loop knows nothing of events: put it into "wrappers"';
  if (around === 'subscriber')
    return 'retry stands around the calls of a client: use @Subscribe(..., { retry })';
  return around === 'handler' ? HANDLER : undefined;
}
