import type { Follower } from '../../core/context.js';
import type { OctavoError } from '../../core/error.js';
import type { Reply } from '../../wrapper/wrapper.js';
import type { ClientCall } from './client-call.js';

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

/** Settles the promise of a caller, and ends the call: also when it is cancelled. */
export class Settling implements Outcome, Follower {
  readonly #call: ClientCall;
  readonly #resolve: (body: unknown) => void;
  readonly #reject: (reason: unknown) => void;

  constructor(call: ClientCall, resolve: (body: unknown) => void, reject: (reason: unknown) => void) {
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
    call.context.follow(this);
  }

  succeed({ body }: Reply): void {
    this.#call.end();
    this.#resolve(body);
  }

  fail(reason: unknown): void {
    this.#call.end();
    this.#reject(reason);
  }

  cancelled(reason: OctavoError): void {
    this.fail(reason);
  }
}
