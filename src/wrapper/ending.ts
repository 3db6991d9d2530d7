import type { Context, Follower } from '../core/context.js';
import { OctavoError } from '../core/error.js';
import type { Call, Next, Reply } from './wrapper.js';

/** Is told how a call ended, once, with its reply where that is one: a stream ends with its last item, or when its reader leaves or it is cancelled. */
export interface Ending {
  ended(error: OctavoError | undefined, reply?: Reply): void;
  /** An item of the reply has come. */
  item?(item: unknown): void;
}

/** Makes a call and tells how it ended. What is thrown is thrown on. */
export async function untilEnd(call: Call, next: Next, ending: Ending): Promise<Reply> {
  let reply: Reply;
  try {
    reply = await next(call);
  } catch (reason) {
    ending.ended(OctavoError.from(reason));
    throw reason;
  }
  if (call.kind === 'unary' || call.kind === 'event' || !isAsyncIterable(reply.body)) {
    ending.ended(undefined, reply);
    return reply;
  }
  return { ...reply, body: new Watched(reply.body, call, ending) };
}

/** Whether a reply is a stream of items. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** The items of a stream, whose end is told. */
class Watched implements AsyncIterableIterator<unknown>, Follower {
  readonly #inner: AsyncIterator<unknown>;
  readonly #context: Context;
  readonly #ending: Ending;
  #reading = false;
  #over = false;

  constructor(items: AsyncIterable<unknown>, { context }: Call, ending: Ending) {
    this.#inner = items[Symbol.asyncIterator]();
    this.#context = context;
    this.#ending = ending;
    // A stream that nobody reads ends too.
    context.follow(this);
  }

  cancelled(reason: OctavoError): void {
    this.#end(reason);
  }

  callEnded(error: OctavoError | undefined): void {
    // Whoever reads is told how it ended, and then so are we.
    if (!this.#reading) this.#end(error);
  }

  async next(): Promise<IteratorResult<unknown>> {
    this.#reading = true;
    try {
      const step = await this.#inner.next();
      if (step.done === true) this.#end(undefined);
      else this.#ending.item?.(step.value);
      return step;
    } catch (reason) {
      this.#end(OctavoError.from(reason));
      throw reason;
    } finally {
      this.#reading = false;
    }
  }

  async return(): Promise<IteratorResult<unknown>> {
    // Whoever runs a handler leaves its stream when the call is cancelled, and may do so before that is told here.
    this.#end(this.#context.cancelled);
    return (await this.#inner.return?.()) ?? { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(error: OctavoError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.leave(this);
    this.#ending.ended(error);
  }
}
