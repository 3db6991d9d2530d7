import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import type { Node } from '../../registry/registry.js';
import type { Selector } from '../../selector/selector.js';
import type { Reply } from '../../wrapper/wrapper.js';
import type { ClientOptions } from '../client.js';
import type { ClientCall } from './client-call.js';
import { History } from './history.js';
import type { Nodes } from './nodes.js';
import type { Outcome } from './outcome.js';
import { RetryBudget } from './retry-budget.js';

/** How many nodes a call that was never sent may be offered to. */
const MOST_NODES = 10;

export interface AttemptsParts {
  readonly nodes: Nodes;
  readonly selector: Selector;
  readonly clock: Clock;
  /** Makes one attempt. It does not throw. */
  readonly send: (call: ClientCall, node: Node, outcome: Outcome) => void;
}

/** Tries calls, and tries them again where that may help. There is no other loop: wrappers set its options or stand around it. */
export class Attempts {
  readonly #parts: AttemptsParts;
  readonly #options: ClientOptions;
  readonly #budget: RetryBudget;

  constructor(options: ClientOptions, parts: AttemptsParts) {
    this.#parts = parts;
    this.#options = options;
    this.#budget = new RetryBudget(parts.clock, options.retryBudget);
  }

  start(call: ClientCall, outcome: Outcome): void {
    this.#budget.call(call.service, call.context.begunAt);
    this.#next(call, outcome);
  }

  #next(call: ClientCall, outcome: Outcome): void {
    try {
      const found = this.#parts.nodes.next(call, call.history?.tried);
      if (isPromise(found))
        found.then(
          (node) => this.#send(call, node, outcome),
          (reason: unknown) => outcome.fail(reason),
        );
      else this.#send(call, found, outcome);
    } catch (reason) {
      outcome.fail(reason);
    }
  }

  #send(call: ClientCall, node: Node, outcome: Outcome): void {
    this.#parts.send(call, node, new Attempt(this, call, node, outcome));
  }

  /** An attempt has succeeded. */
  succeeded({ call, node, outcome }: Attempt, reply: Reply): void {
    try {
      this.#parts.selector.mark(call.service, node);
    } catch (reason) {
      return outcome.fail(reason);
    }
    outcome.succeed(reply);
  }

  /** An attempt has failed. */
  async failed({ call, node, outcome }: Attempt, reason: unknown): Promise<void> {
    try {
      const { cancelled } = call.context;
      const error = cancelled ?? OctavoError.from(reason);
      this.#parts.selector.mark(call.service, node, error);
      if (cancelled !== undefined) throw cancelled;
      const history = (call.history ??= new History());
      history.add(node, error);
      await this.#again(call, error, history);
    } catch (failure) {
      return outcome.fail(failure);
    }
    this.#next(call, outcome);
  }

  /** Resolves when the next attempt is to be made. Rejects with how the call failed where there is to be none. */
  async #again(call: ClientCall, error: OctavoError, history: History): Promise<void> {
    // What was never sent goes elsewhere at once, where there is an elsewhere.
    if (error.executed === false && error.retryable && (await this.#elsewhere(call, error, history))) return;
    const { options, tries = {} } = call;
    if (await this.#mended(call, error, history)) return;
    const retry = options.retry ?? tries.retry ?? this.#options.retry ?? worthwhile(call);
    const retries = options.retries ?? tries.retries ?? this.#options.retries ?? 0;
    if (!retry(error, history.size)) throw history.size > 1 && error.retryable ? history.error() : error;
    if (history.retried >= retries) throw history.error();
    if (!this.#budget.take(call.service)) throw history.error('the budget for retries is used up');
    history.retried++;
    const backoff = options.backoff ?? tries.backoff ?? this.#options.backoff ?? jittered;
    const ms = Math.max(backoff(history.retried), error.retryAfterMs ?? 0);
    if (ms >= call.context.remainingMs) throw history.error('there is no time for another');
    call.waitsFor('its next attempt');
    await this.#parts.clock.sleep(ms, call.context.signal);
  }

  /** Whether what was wrong is mended, and the budget has a place for trying that. Once for each call. */
  async #mended(
    { service, tries, context }: ClientCall,
    error: OctavoError,
    history: History,
  ): Promise<boolean> {
    if (tries?.mend === undefined || history.mended || !(await tries.mend(error))) return false;
    history.mended = true;
    context.throwIfCancelled();
    return this.#budget.take(service);
  }

  /** Whether there is a node that was not tried, and may be. Who is too busy is not helped by more calls than the budget allows. */
  async #elsewhere(call: ClientCall, { code }: OctavoError, history: History): Promise<boolean> {
    if (history.size >= MOST_NODES || !(await this.#parts.nodes.others(call, history.tried))) return false;
    return code === 'unavailable' || this.#budget.take(call.service);
  }
}

/** One attempt of a call at one node, which is told how it went. */
class Attempt implements Outcome {
  readonly call: ClientCall;
  readonly node: Node;
  /** What the whole call comes to. */
  readonly outcome: Outcome;
  readonly #attempts: Attempts;

  constructor(attempts: Attempts, call: ClientCall, node: Node, outcome: Outcome) {
    this.#attempts = attempts;
    this.call = call;
    this.node = node;
    this.outcome = outcome;
  }

  succeed(reply: Reply): void {
    this.#attempts.succeeded(this, reply);
  }

  fail(reason: unknown): void {
    void this.#attempts.failed(this, reason);
  }
}

/** Whether doing it again may help and does no harm. */
function worthwhile({ idempotent }: ClientCall): (error: OctavoError) => boolean {
  return ({ retryable, executed }) => retryable && (idempotent || executed === false);
}

/** Full jitter under 100 ms, doubled for each retry, at most 2 s. */
function jittered(retry: number): number {
  return Math.random() * Math.min(2_000, 100 * 2 ** (retry - 1));
}
