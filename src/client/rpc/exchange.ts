import type { Codec } from '../../codec/codec.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { EMPTY, type Message } from '../../core/message.js';
import * as mucp from '../../core/mucp.js';
import type { Socket } from '../../transport/transport.js';
import type { ClientCall } from './client-call.js';
import { errorOf, requestHeader, showMetadata, showTrailer } from './wire.js';

export interface ExchangeInit {
  readonly call: ClientCall;
  readonly socket: Socket;
  readonly codec: Codec;
  readonly id: string;
  /** Whether the node says that it is an Octavo peer; `undefined` while nobody knows. */
  readonly octavo: boolean | undefined;
  readonly read: (message: Message) => unknown;
  /** Called once, when nothing more will happen, with an error where it did not end in order. */
  readonly onEnd: (error: OctavoError | undefined) => void;
}

/**
 * One stream on the wire: sends the items of the request, and gives those of the reply as they are asked for.
 *
 * The first message is an opener whose body go-micro's server throws away; the items follow.
 */
export class Exchange implements AsyncIterableIterator<unknown> {
  readonly #init: ExchangeInit;
  /** The first message, read ahead: it tells whether the other side understands a half-close. */
  #first: Promise<Message | undefined> | undefined;
  /** Settles when the first message has told it, whoever takes that. */
  #told: Promise<void> | undefined;
  #octavo: boolean | undefined;
  #shown = false;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #source: AsyncIterator<unknown> | undefined;
  readonly #forget: () => void;

  constructor(init: ExchangeInit) {
    this.#init = init;
    this.#octavo = init.octavo;
    this.#forget = init.call.context.onCancel((reason) => this.#fail(reason));
  }

  /** Opens the stream, and begins to send what there is to send. */
  async open(): Promise<void> {
    const { call } = this.#init;
    await this.#send(EMPTY);
    if (this.#over !== undefined) return;
    this.#first = this.#receive();
    this.#told = this.#first.then(
      (message) => void (this.#octavo ??= message?.header.has(mucp.OCTAVO) === true),
      () => {},
    );
    if (call.kind === 'server') await this.#item(call.request);
    else void this.#pump(call.request);
  }

  async next(): Promise<IteratorResult<unknown>> {
    for (;;) {
      if (this.#over !== undefined) return this.#ended();
      const message = await this.#next();
      if (this.#over !== undefined) return this.#ended();
      if (message === undefined) {
        const { service, endpoint } = this.#init.call;
        this.#fail(
          new OctavoError('unavailable', `${service} ${endpoint}: the stream broke off before its end`),
        );
        continue;
      }
      try {
        const step = this.#take(message);
        if (step !== undefined) return step;
      } catch (reason) {
        // Reading failed, or whoever was shown the metadata threw.
        this.#fail(OctavoError.from(reason));
      }
    }
  }

  /** The reader has left: the handler at the other side is cancelled. */
  async return(): Promise<IteratorResult<unknown>> {
    if (this.#over === undefined) {
      const go = this.#octavo === false;
      // A go-micro server wants to be told; an Octavo one sees the connection go.
      if (go) await this.#send(EMPTY, mucp.EOS);
      this.#finish(undefined, go ? undefined : new OctavoError('cancelled', 'the reader left'));
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(message: Message): IteratorResult<unknown> | undefined {
    const { call, read } = this.#init;
    const { header } = message;
    if (header.has(mucp.FRAME)) return undefined;
    const error = header.get(mucp.ERROR);
    if (!this.#shown) {
      this.#shown = true;
      showMetadata(call, message, { last: false });
    }
    if (error !== undefined) {
      showTrailer(call.options.onTrailer, header);
      this.#finish(errorOf(message));
      return undefined;
    }
    return { done: false, value: read(message) };
  }

  #ended(): IteratorResult<unknown> {
    const error = this.#over?.error;
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  async #next(): Promise<Message | undefined> {
    const first = this.#first;
    this.#first = undefined;
    try {
      return await (first ?? this.#receive());
    } catch (reason) {
      this.#fail(OctavoError.from(reason));
      return undefined;
    }
  }

  async #receive(): Promise<Message | undefined> {
    return this.#init.socket.receive();
  }

  /** Sends what the caller gives until there is no more, or nobody wants it. */
  async #pump(items: unknown): Promise<void> {
    try {
      const source = iterate(items);
      this.#source = source;
      for (;;) {
        const step = await source.next();
        if (this.#over !== undefined) return;
        if (step.done === true) break;
        await this.#item(step.value);
        if (this.#over !== undefined) return;
      }
      this.#source = undefined;
      await this.#halfClose();
    } catch (reason) {
      this.#source = undefined;
      this.#fail(OctavoError.from(reason));
    }
  }

  /** Towards a go-micro server nothing is said: it would take it for the end of everything. */
  async #halfClose(): Promise<void> {
    if (this.#octavo === undefined) await this.#told;
    if (this.#octavo === true && this.#over === undefined) await this.#send(EMPTY, mucp.EOS);
  }

  #item(value: unknown): MaybePromise<void> {
    const { call, codec, id } = this.#init;
    const { service, endpoint, method } = call;
    const body = codec.write({ kind: 'request', id, service, endpoint }, value, method?.request);
    return this.#send(body);
  }

  #send(body: Uint8Array, error?: string): MaybePromise<void> {
    const { call, socket, id } = this.#init;
    const header = requestHeader(call, id, true);
    if (error !== undefined) header.append(mucp.ERROR, error);
    const sent = socket.send({ header, body });
    return isPromise(sent) ? sent : undefined;
  }

  #fail(error: OctavoError): void {
    this.#finish(error, error);
  }

  /** @param cut cuts the connection, for this reason, where the other side has not ended itself */
  #finish(error: OctavoError | undefined, cut?: OctavoError): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#forget();
    this.#init.socket.close(cut);
    void leave(this.#source);
    this.#init.onEnd(error);
  }
}

/** The items of an iterable of either kind. Anything else is an error that says what is wanted. */
function iterate(items: unknown): AsyncIterator<unknown> {
  if (typeof items === 'object' && items !== null) {
    // Whether it is one was just looked at.
    if (Symbol.asyncIterator in items) return (items as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in items) return fromSync((items as Iterable<unknown>)[Symbol.iterator]());
  }
  throw new OctavoError(
    'invalid_argument',
    'a stream of requests is an iterable: give an array or an async generator',
  );
}

function fromSync(items: Iterator<unknown>): AsyncIterator<unknown> {
  return {
    next: async () => items.next(),
    return: async () => items.return?.() ?? { done: true, value: undefined },
  };
}

async function leave(source: AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    await source?.return?.();
  } catch {
    // The outcome is known already.
  }
}
