import { isPromise, type MaybePromise } from './lifecycle.js';

/** Does what concerns nobody if it fails, now or later: a last word to somebody who may have gone. */
export function quietly(run: () => MaybePromise<void>): void {
  try {
    const done = run();
    if (isPromise(done)) done.catch(() => {});
  } catch {
    // Nobody is left to be told.
  }
}
