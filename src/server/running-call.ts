import type { Context, Follower } from '../core/context.js';
import type { Crowd, Place } from '../core/crowd.js';
import type { Deadlines, Expiring, Expiry } from '../core/deadlines.js';
import { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { quietly } from '../core/quietly.js';
import type { StreamKind } from '../schema/method.js';
import type { ReplySink } from './reply-sink.js';

/** Who counts the calls that run. */
export interface Running {
  /** The outcome of a call is out, with an error where it failed. */
  ended(run: RunningCall, error: OctavoError | undefined): void;
}

/** One dispatch until its outcome is out. */
export class RunningCall implements Expiring, Follower {
  readonly context: Context;
  readonly kind: StreamKind;
  onEnd: (() => void) | undefined = undefined;
  over = false;
  readonly #sink: ReplySink;
  readonly #owner: Running;
  #expiry: Expiry | undefined = undefined;
  #place: Place<RunningCall> | undefined = undefined;

  constructor(context: Context, kind: StreamKind, sink: ReplySink, owner: Running) {
    this.context = context;
    this.kind = kind;
    this.#sink = sink;
    this.#owner = owner;
  }

  /** Counts it in, and holds it to its deadline, and to whatever else cancels its context. */
  begin(active: Crowd<RunningCall>, deadlines: Deadlines): void {
    const { context } = this;
    this.#place = active.add(this);
    if (context.deadline !== undefined) this.#expiry = deadlines.add(this, context.deadline, this.#limitMs);
    context.follow(this);
  }

  cancelled(reason: OctavoError): void {
    this.fail(reason);
  }

  callBegun(): void {
    this.#sink.begun?.();
  }

  get #limitMs(): number {
    const { begunAt, deadline = begunAt } = this.context;
    return Math.max(0, deadline - begunAt);
  }

  expire(): void {
    const { context } = this;
    context.cancel(
      new OctavoError(
        'deadline_exceeded',
        `${context.endpoint} took longer than its ${Math.round(this.#limitMs)} ms`,
      ),
    );
  }

  reply(body: unknown): void {
    if (!this.#close()) return;
    let error: OctavoError | undefined;
    try {
      this.#sink.reply(body);
    } catch (reason) {
      error = this.#abort(unsendable(reason, this.context));
    }
    this.#ended(error);
  }

  item(value: unknown): MaybePromise<void> {
    try {
      return this.#sink.item(value);
    } catch (reason) {
      throw unsendable(reason, this.context);
    }
  }

  end(): void {
    this.#finish(undefined);
  }

  fail(error: OctavoError): void {
    this.#finish(error);
  }

  #finish(error: OctavoError | undefined): void {
    if (!this.#close(error)) return;
    let outcome = error;
    try {
      this.#sink.end(error);
    } catch (reason) {
      outcome = this.#abort(error ?? unsendable(reason, this.context));
    }
    this.#ended(outcome);
  }

  /** What stands beside the reply cannot travel; what became of the call must. */
  #abort(error: OctavoError): OctavoError {
    quietly(() => this.#sink.abort(error));
    return error;
  }

  #close(error?: OctavoError): boolean {
    if (this.over) return false;
    this.over = true;
    this.#expiry?.leave();
    this.context.end(error);
    return true;
  }

  #ended(error: OctavoError | undefined): void {
    this.#place?.leave();
    this.#owner.ended(this, error);
    this.onEnd?.();
  }
}

/** A reply that cannot be sent, as its type or the wire cannot hold it, is the handler's fault and not the caller's. */
function unsendable(reason: unknown, context: Context): OctavoError {
  const error = OctavoError.from(reason);
  if (error.code === 'resource_exhausted') return error;
  context.log.error('a handler gave a reply that cannot be sent', { error: reason });
  const what = `${context.endpoint} gave a reply that cannot be sent: ${error.message}`;
  return new OctavoError('internal', what, { cause: reason });
}
