import type { Context } from '../core/context.js';
import { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { quietly } from '../core/quietly.js';
import type { ReplySink } from './reply-sink.js';

/** One dispatch until its outcome is out. */
export class RunningCall {
  readonly #context: Context;
  readonly #sink: ReplySink;
  readonly #onOver: (error: OctavoError | undefined) => void;
  readonly #timer: { cancel(): void } | undefined;
  onEnd: (() => void) | undefined;
  over = false;

  constructor(context: Context, sink: ReplySink, onOver: (error: OctavoError | undefined) => void) {
    this.#context = context;
    this.#sink = sink;
    this.#onOver = onOver;
    const { deadline, clock, endpoint } = context;
    if (deadline !== undefined) {
      const ms = context.remainingMs;
      this.#timer = clock.after(ms, () =>
        context.cancel(
          new OctavoError('deadline_exceeded', `${endpoint} took longer than its ${Math.round(ms)} ms`),
        ),
      );
    }
    context.onCancel((reason) => this.fail(reason));
  }

  reply(body: unknown): void {
    this.#finish(undefined, () => this.#sink.reply(body));
  }

  item(value: unknown): MaybePromise<void> {
    try {
      return this.#sink.item(value);
    } catch (reason) {
      throw unsendable(reason, this.#context);
    }
  }

  end(): void {
    this.#finish(undefined, () => this.#sink.end());
  }

  fail(error: OctavoError): void {
    this.#finish(error, () => this.#sink.end(error));
  }

  #finish(error: OctavoError | undefined, tell: () => void): void {
    if (this.over) return;
    this.over = true;
    this.#timer?.cancel();
    this.#context.end();
    let outcome = error;
    try {
      tell();
    } catch (reason) {
      // What stands beside the reply cannot travel; what became of the call must.
      outcome ??= unsendable(reason, this.#context);
      const last = outcome;
      quietly(() => this.#sink.abort(last));
    }
    this.#onOver(outcome);
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
