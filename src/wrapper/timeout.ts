import type { Clock } from '../core/clock.js';
import { Deadlines, type Expiring, type Expiry } from '../core/deadlines.js';
import { OctavoError } from '../core/error.js';
import { untilEnd } from './ending.js';
import type { Call, Next, Reply, Wrapper } from './wrapper.js';

export interface TimeoutOptions {
  /** For how long a call, a whole stream or one delivery of an event may take, in milliseconds; around attempts one attempt, or the opening of a stream. */
  readonly timeoutMs: number;
}

/**
 * Brings the deadline of calls forward. It travels, and calls made inside keep to it; a deadline that is sooner stays.
 *
 * Around attempts it gives up one that takes too long, whose server is told; the client's one loop tries again where that may be done.
 */
export function timeout({ timeoutMs }: TimeoutOptions): Wrapper {
  const timers = new Timers();
  const wrapper: Wrapper = (call, next) => {
    const { context } = call;
    const at = context.clock.now() + timeoutMs;
    if (context.deadline !== undefined && context.deadline <= at) return next(call);
    if (call.attempt !== undefined) {
      const expiry = (run: () => void): Expiry =>
        timers.on(context.clock).add({ expire: run }, at, timeoutMs);
      return limited(call, next, timeoutMs, expiry);
    }
    context.shorten(at);
    const expiry = timers.on(context.clock).add(new Limited(call, timeoutMs), at, timeoutMs);
    return new Promise((resolve, reject) => {
      const forget = context.onCancel(reject);
      const done = untilEnd(call, next, { ended: () => expiry.leave() });
      void done.then(resolve, reject).finally(forget);
    });
  };
  return wrapper;
}

/** The shared timers of the clock that calls are on, which is the same one until a test takes another. */
class Timers {
  #clock: Clock | undefined;
  #deadlines: Deadlines | undefined;

  on(clock: Clock): Deadlines {
    if (this.#deadlines === undefined || clock !== this.#clock) {
      this.#clock = clock;
      this.#deadlines = new Deadlines(clock);
    }
    return this.#deadlines;
  }
}

/** A call whose time is limited. */
class Limited implements Expiring {
  readonly #call: Call;
  readonly #timeoutMs: number;

  constructor(call: Call, timeoutMs: number) {
    this.#call = call;
    this.#timeoutMs = timeoutMs;
  }

  expire(): void {
    const { context, service, endpoint } = this.#call;
    const what = `${service} ${endpoint} took longer than ${this.#timeoutMs} ms (timeout)`;
    context.cancel(new OctavoError('deadline_exceeded', what));
  }
}

/** One attempt, which is given up when its time has come. */
function limited(
  call: Call,
  next: Next,
  timeoutMs: number,
  expire: (run: () => void) => Expiry,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const expiry = expire(() => {
      const { service, endpoint, attempt, peer } = call;
      const what = `${service} ${endpoint}: attempt ${attempt} at ${peer?.address} took longer than ${timeoutMs} ms (timeout)`;
      // Another one may do better, unlike where the time of the whole call is up.
      const reason = new OctavoError('deadline_exceeded', what, { retryable: true });
      reject(reason);
      call.cut?.(reason);
    });
    const made = async (): Promise<Reply> => next(call);
    void made()
      .then(resolve, reject)
      .finally(() => expiry.leave());
  });
}
