import { OctavoError, type Code } from '../core/error.js';
import { isAsyncIterable } from './ending.js';
import type { Call, Next, Place, Reply, Wrapper } from './wrapper.js';

export interface FallbackOptions {
  /** Gives the reply instead; for a stream of replies its items, as an array or an async iterable. */
  readonly to: (error: OctavoError, call: Call) => unknown;
  /** After which codes. @defaultValue `unavailable` and `resource_exhausted` */
  readonly codes?: readonly Code[];
}

const CODES: readonly Code[] = ['unavailable', 'resource_exhausted'];

/**
 * Answers instead of what fails. A stream is answered so until its first item has come, as nobody can take an item back.
 *
 * When the call's own deadline passes or it is cancelled, nobody waits any longer, and there is nothing to fall back to.
 */
export function fallback({ to, codes = CODES }: FallbackOptions): Wrapper {
  const instead = async (reason: unknown, call: Call): Promise<unknown> => {
    const error = OctavoError.from(reason);
    if (!codes.includes(error.code) || call.context.cancelled !== undefined) throw reason;
    return to(error, call);
  };
  const wrapper = async (call: Call, next: Next): Promise<Reply> => {
    let reply: Reply;
    try {
      reply = await next(call);
    } catch (reason) {
      const body = await instead(reason, call);
      return { body: streams(call) ? iterate(body) : body };
    }
    if (!streams(call) || !isAsyncIterable(reply.body)) return reply;
    const items = reply.body;
    return { ...reply, body: new OrElse(items, async (reason) => iterate(await instead(reason, call))) };
  };
  return Object.assign(wrapper, { unfit });
}

/** Whether items come back: to a client's wrapper always, where any side is a stream. */
function streams({ side, kind }: Call): boolean {
  return kind === 'server' || kind === 'bidi' || (side === 'client' && kind === 'client');
}

/** The items of a stream, or of another where it failed before its first one. Whoever leaves it leaves what is behind it, at any time. */
class OrElse implements AsyncIterableIterator<unknown> {
  readonly #instead: (reason: unknown) => Promise<AsyncIterable<unknown>>;
  #items: AsyncIterator<unknown>;
  #begun = false;

  constructor(items: AsyncIterable<unknown>, instead: (reason: unknown) => Promise<AsyncIterable<unknown>>) {
    this.#items = items[Symbol.asyncIterator]();
    this.#instead = instead;
  }

  async next(): Promise<IteratorResult<unknown>> {
    const first = !this.#begun;
    this.#begun = true;
    try {
      return await this.#items.next();
    } catch (reason) {
      if (!first) throw reason;
      this.#items = (await this.#instead(reason))[Symbol.asyncIterator]();
      return this.#items.next();
    }
  }

  async return(): Promise<IteratorResult<unknown>> {
    return (await this.#items.return?.()) ?? { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** One value is a stream of that one. */
async function* iterate(body: unknown): AsyncIterable<unknown> {
  if (isAsyncIterable(body)) yield* body;
  else if (Array.isArray(body)) yield* body as readonly unknown[];
  else yield body;
}

function unfit({ around }: Place): string | undefined {
  return around === 'attempt'
    ? 'fallback answers for the whole call, after its attempts: put it into "wrappers", not "callWrappers"'
    : undefined;
}
