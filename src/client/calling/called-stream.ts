import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import type { Reply } from '../../wrapper/wrapper.js';
import type { ClientStream, StreamRequest } from '../client.js';
import type { Outbox } from './outbox.js';

export interface CalledStreamInit {
  readonly context: Context;
  readonly request: StreamRequest;
  /** What `send` fills, where the request has no body of its own. */
  readonly outbox: Outbox<unknown> | undefined;
  readonly reply: Promise<Reply>;
}

/** A stream in its caller's hands. */
export class CalledStream implements ClientStream {
  readonly context: Context;
  readonly request: StreamRequest;
  readonly #outbox: Outbox<unknown> | undefined;
  readonly #replies: Promise<AsyncIterator<unknown>>;
  /** Whether the other end, or what stands between, has given something to read. */
  #open = false;
  #error: OctavoError | undefined;

  constructor({ context, request, outbox, reply }: CalledStreamInit) {
    this.context = context;
    this.request = request;
    this.#outbox = outbox;
    // What the innermost wrapper gives for a stream can be iterated; another's may not.
    this.#replies = reply.then(({ body }) => {
      this.#open = true;
      return (body as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    });
    // Who never reads is not told: an unread failure must not end the process.
    this.#replies.catch((reason: unknown) => this.#fail(reason));
  }

  get error(): OctavoError | undefined {
    return this.#error;
  }

  async send(item: unknown): Promise<void> {
    if (this.#outbox === undefined)
      throw new OctavoError(
        'failed_precondition',
        'this stream sends the body it was opened with: open it without one to use send',
      );
    if (this.#error !== undefined) throw this.#error;
    await this.#outbox.send(item);
    if (this.#error !== undefined) throw this.#error;
  }

  async closeSend(): Promise<void> {
    this.#outbox?.end();
  }

  async receive(): Promise<unknown> {
    try {
      const step = await (await this.#replies).next();
      return step.done === true ? undefined : step.value;
    } catch (reason) {
      throw this.#fail(reason);
    }
  }

  async close(): Promise<void> {
    this.#outbox?.end();
    // It may take the other end long to say anything.
    if (!this.#open)
      this.context.cancel(new OctavoError('cancelled', 'the stream was closed before it was open'));
    const replies = await this.#replies.catch(() => undefined);
    await replies?.return?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<unknown> {
    try {
      for (let item = await this.receive(); item !== undefined; item = await this.receive()) yield item;
    } finally {
      await this.close();
    }
  }

  #fail(reason: unknown): OctavoError {
    this.#error ??= OctavoError.from(reason);
    this.#outbox?.end();
    return this.#error;
  }
}
