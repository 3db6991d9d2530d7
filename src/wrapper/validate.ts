import { OctavoError } from '../core/error.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';
import { isAsyncIterable } from './ending.js';
import type { Call, Place, Reply, Wrapper } from './wrapper.js';

export interface ValidateOptions {
  /** Whether replies are held to the rules of their class: around handlers before they are sent, on a client as they come. @defaultValue `true` */
  readonly replies?: boolean;
  /** Whether a client holds requests to the rules of their class before it sends them, unless they are a stream. Servers always do. @defaultValue `true` */
  readonly requests?: boolean;
}

/**
 * Holds messages to the rules of class-validator where that is not done anyway: servers hold requests and events to them by themselves.
 *
 * A reply that breaks a rule is `internal`, as the handler is wrong and not the caller. A request is `invalid_argument`, unexecuted, and does not travel.
 */
export function validate({ replies = true, requests = true }: ValidateOptions = {}): Wrapper {
  const wrapper: Wrapper = async (call, next) => {
    const { method, side, kind } = call;
    if (method === undefined) return next(call);
    const single = kind === 'unary' || kind === 'server';
    if (requests && side === 'client' && single) checkRequest(call, method.request);
    const reply = await next(call);
    return replies ? checkedReply(reply, call, method.reply) : reply;
  };
  return Object.assign(wrapper, { unfit });
}

function checkRequest({ request }: Call, type: MessageType): void {
  try {
    check(request, type);
  } catch (reason) {
    const { code, message, details } = OctavoError.from(reason);
    throw new OctavoError(code, message, { details, executed: false });
  }
}

function checkedReply(reply: Reply, call: Call, type: MessageType): Reply {
  const { body } = reply;
  if (isAsyncIterable(body))
    return { ...reply, body: new Checked(body, (item) => checkReply(item, call, type)) };
  checkReply(body, call, type);
  return reply;
}

function checkReply(body: unknown, { endpoint }: Call, type: MessageType): void {
  try {
    check(body, type);
  } catch (cause) {
    const { message } = OctavoError.from(cause);
    throw new OctavoError('internal', `${endpoint} gave a reply that breaks its rules: ${message}`, {
      cause,
    });
  }
}

/** Holds a message to its rules as the other end would see it: what a plain object leaves out is there with its default. */
function check(message: unknown, type: MessageType): void {
  const { encode, decode, validate: held } = schemaOf(type);
  // What is no message at all is refused by the encoder, in its words.
  held(decode(encode(message as object)));
}

/** The items of a stream, each looked at. A bad one ends it. */
class Checked implements AsyncIterableIterator<unknown> {
  readonly #items: AsyncIterator<unknown>;
  readonly #look: (item: unknown) => void;

  constructor(items: AsyncIterable<unknown>, look: (item: unknown) => void) {
    this.#items = items[Symbol.asyncIterator]();
    this.#look = look;
  }

  async next(): Promise<IteratorResult<unknown>> {
    const step = await this.#items.next();
    if (step.done === true) return step;
    try {
      this.#look(step.value);
    } catch (reason) {
      await this.#items.return?.();
      throw reason;
    }
    return step;
  }

  async return(): Promise<IteratorResult<unknown>> {
    return (await this.#items.return?.()) ?? { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function unfit({ around }: Place): string | undefined {
  if (around === 'subscriber' || around === 'publish')
    return 'validate holds replies to their rules, and an event has none; subscribers hold events to theirs anyway';
  return around === 'attempt'
    ? 'validate looks at a call once, and not at each attempt: put it into "wrappers", not "callWrappers"'
    : undefined;
}
