import type { Reply } from '../../wrapper/wrapper.js';

/** Is told how something ended, once. Cheaper than a promise for each step of a call. */
export interface Outcome {
  succeed(reply: Reply): void;
  fail(reason: unknown): void;
}

/** The promise of what an outcome is told, for wrappers. */
export function promised(start: (outcome: Outcome) => void): Promise<Reply> {
  return new Promise((succeed, fail) => start({ succeed, fail }));
}

/** Tells an outcome what becomes of a promise, also where there comes none. */
export function tell(outcome: Outcome, run: () => Promise<Reply>): void {
  try {
    run().then(
      (reply) => outcome.succeed(reply),
      (reason: unknown) => outcome.fail(reason),
    );
  } catch (reason) {
    outcome.fail(reason);
  }
}
