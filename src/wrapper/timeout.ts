import { OctavoError } from '../core/error.js';
import { untilEnd } from './ending.js';
import type { Call, Next, Place, Reply, Wrapper } from './wrapper.js';

export interface TimeoutOptions {
  /** For how long a call, a whole stream or one delivery of an event may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Brings the deadline of calls forward. It travels, and calls made inside keep to it; a deadline that is sooner stays. */
export function timeout({ timeoutMs }: TimeoutOptions): Wrapper {
  return Object.assign((call: Call, next: Next) => limited(call, next, timeoutMs), {
    unfit: ({ around }: Place) =>
      around === 'attempt'
        ? 'timeout ends a whole call and not an attempt: put it into "wrappers", not "callWrappers"'
        : undefined,
  });
}

function limited(call: Call, next: Next, timeoutMs: number): Promise<Reply> {
  const { context, service, endpoint } = call;
  const { clock } = context;
  const at = clock.now() + timeoutMs;
  if (context.deadline !== undefined && context.deadline <= at) return next(call);
  context.shorten(at);
  const timer = clock.after(timeoutMs, () =>
    context.cancel(
      new OctavoError(
        'deadline_exceeded',
        `${service} ${endpoint} took longer than ${timeoutMs} ms (timeout)`,
      ),
    ),
  );
  return new Promise((resolve, reject) => {
    const forget = context.onCancel(reject);
    const done = untilEnd(call, next, { ended: () => timer.cancel() });
    void done.then(resolve, reject).finally(forget);
  });
}
