// Stand-ins for the wrappers that most services have, as who uses Octavo would write them.
import { OctavoError, type Wrapper } from '../src/index.js';

/** A log that is off. */
const log: Wrapper = (call, next) => {
  call.context.log.debug('called', { endpoint: call.endpoint });
  return next(call);
};

/** A count and a sum for each endpoint. */
function metrics(): Wrapper {
  const seen = new Map<string, { calls: number; failed: number; ms: number }>();
  return async (call, next) => {
    const begin = performance.now();
    let of = seen.get(call.endpoint);
    if (of === undefined) seen.set(call.endpoint, (of = { calls: 0, failed: 0, ms: 0 }));
    of.calls++;
    try {
      return await next(call);
    } catch (reason) {
      of.failed++;
      throw reason;
    } finally {
      of.ms += performance.now() - begin;
    }
  };
}

/** Refuses what has no time left. The deadline itself is kept underneath. */
const timeout: Wrapper = (call, next) => {
  const { deadline } = call.context;
  if (deadline !== undefined && deadline <= Date.now())
    throw new OctavoError('deadline_exceeded', 'there is no time left');
  return next(call);
};

/** Tries again where that may help. */
const retry: Wrapper = async (call, next) => {
  for (let attempt = 1; ; attempt++)
    try {
      return await next(call);
    } catch (reason) {
      if (attempt >= 3 || !OctavoError.from(reason).retryable) throw reason;
    }
};

/** Looks at the request. */
const validate: Wrapper = (call, next) => {
  const request = call.request;
  if (typeof request !== 'object' || request === null || !('text' in request) || request.text === '')
    throw new OctavoError('invalid_argument', 'text must not be empty');
  return next(call);
};

export function fiveWrappers(): readonly Wrapper[] {
  return [log, metrics(), timeout, retry, validate];
}

/** An `async` wrapper that does nothing. A function of its own each time, as real ones are. */
export function pass(): Wrapper {
  return async (call, next) => next(call);
}
