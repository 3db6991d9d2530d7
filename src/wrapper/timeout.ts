import type { Clock } from '../core/clock.js';
import { Deadlines, type Expiring } from '../core/deadlines.js';
import { OctavoError } from '../core/error.js';
import { untilEnd } from './ending.js';
import type { Call, Place, Wrapper } from './wrapper.js';

export interface TimeoutOptions {
  /** For how long a call, a whole stream or one delivery of an event may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Brings the deadline of calls forward. It travels, and calls made inside keep to it; a deadline that is sooner stays. */
export function timeout({ timeoutMs }: TimeoutOptions): Wrapper {
  const timers = new Timers();
  const wrapper: Wrapper = (call, next) => {
    const { context } = call;
    const at = context.clock.now() + timeoutMs;
    if (context.deadline !== undefined && context.deadline <= at) return next(call);
    context.shorten(at);
    const expiry = timers.on(context.clock).add(new Limited(call, timeoutMs), at, timeoutMs);
    return new Promise((resolve, reject) => {
      const forget = context.onCancel(reject);
      const done = untilEnd(call, next, { ended: () => expiry.leave() });
      void done.then(resolve, reject).finally(forget);
    });
  };
  return Object.assign(wrapper, { unfit });
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

function unfit({ around }: Place): string | undefined {
  return around === 'attempt'
    ? 'timeout ends a whole call and not an attempt: put it into "wrappers", not "callWrappers"'
    : undefined;
}
