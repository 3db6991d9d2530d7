import type { Codec } from '../../codec/codec.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { EMPTY, type Message } from '../../core/message.js';
import * as mucp from '../../core/mucp.js';
import { Pulse } from '../../core/pulse.js';
import { quietly } from '../../core/quietly.js';
import type { Socket } from '../../transport/transport.js';
import type { ClientCall } from '../calling/client-call.js';
import { Outbox } from '../calling/outbox.js';
import { Sending } from '../calling/sending.js';
import { errorOf, hasEnvelope, requestHeader, showMetadata, showTrailer } from './wire.js';

export interface ExchangeInit {
  readonly call: ClientCall;
  readonly socket: Socket;
  readonly codec: Codec;
  readonly id: string;
  /** Whether the node says that it is an Octavo peer; `undefined` while nobody knows. */
  readonly octavo: boolean | undefined;
  /** After which silence an Octavo peer is taken for dead, in milliseconds; `0` is never. */
  readonly keepaliveMs: number;
  readonly read: (message: Message) => unknown;
  /** Called once, when nothing more will happen on a stream that was opened. */
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
  #octavo: boolean | undefined;
  /** Settled when it is known whom the stream goes to. */
  #known: Promise<void> | undefined;
  #shown = false;
  #opened = false;
  #pulse: Pulse | undefined;
  #over: { readonly error: OctavoError | undefined } | undefined;
  readonly #sending = new Sending();
  readonly #forget: () => void;

  constructor(init: ExchangeInit) {
    this.#init = init;
    this.#octavo = init.octavo;
    this.#forget = init.call.context.onCancel((reason) => this.#fail(reason));
  }

  /**
   * Opens the stream, and begins to send what there is to send.
   *
   * An Octavo server says first whether it takes the stream, and no item of the caller's is touched before: so a stream that is refused can be
   * opened elsewhere. Rejects with the refusal.
   */
  async open(): Promise<void> {
    const { call, keepaliveMs } = this.#init;
    // An attempt may be given up until it has succeeded.
    call.attempting = { cancelled: (reason) => this.#fail(reason) };
    // Who sends by hand may be asked for the one request of a server stream.
    const waits = call.kind === 'bidi' && call.request instanceof Outbox;
    await this.#send(this.#opener(), [
      [mucp.KEEPALIVE, String(keepaliveMs)],
      ...(waits ? ([[mucp.WAITS, '1']] as const) : []),
    ]);
    this.#first = this.#receive();
    this.#known = this.#first.then(
      (message) => void (this.#octavo ??= message !== undefined && mucp.isOctavoReply(message.header)),
      () => {},
    );
    if (call.kind === 'server' && this.#over === undefined) await this.#item(call.request);
    if (this.#octavo === true) await this.#greeted();
    if (this.#over?.error !== undefined) throw this.#over.error;
    this.#opened = true;
    call.attempting = undefined;
    if (call.kind !== 'server') void this.#pump(call.request);
  }

  /** An envelope around an empty message where the codec has one, as go-micro's server wants to read it although it throws it away. */
  #opener(): Uint8Array {
    const { call, codec, id } = this.#init;
    const { service, endpoint, method } = call;
    if (method === undefined || !hasEnvelope(codec)) return EMPTY;
    return codec.write({ kind: 'request', id, service, endpoint }, {}, method.request);
  }

  /** Waits for the greeting. What came instead of it is kept to be read. */
  async #greeted(): Promise<void> {
    const message = await this.#next();
    if (this.#over !== undefined) return;
    if (message === undefined) return this.#fail(this.#brokeOff());
    if (message.header.has(mucp.FRAME)) return this.#frame(message);
    const error = errorOf(message);
    if (error === undefined) this.#first = Promise.resolve(message);
    else this.#finish(error);
  }

  async next(): Promise<IteratorResult<unknown>> {
    for (;;) {
      if (this.#over !== undefined) return this.#ended();
      const message = await this.#next();
      if (this.#over !== undefined) return this.#ended();
      if (message === undefined) {
        this.#fail(this.#brokeOff());
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
      if (go) await this.#send(EMPTY, [[mucp.ERROR, mucp.EOS]]);
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
    if (header.has(mucp.FRAME)) {
      this.#frame(message);
      return undefined;
    }
    this.#pulse?.active();
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
    call.context.meter?.received(message.body.length);
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
    this.#pulse?.listen();
    try {
      const message = await (first ?? this.#receive());
      this.#pulse?.heard();
      return message;
    } catch (reason) {
      this.#fail(OctavoError.from(reason));
      return undefined;
    }
  }

  /** What is no item: the greeting says how the other end is kept alive. */
  #frame({ header }: Message): void {
    if (header.get(mucp.FRAME) !== 'open' || this.#pulse !== undefined) return;
    const { call, keepaliveMs } = this.#init;
    this.#pulse = new Pulse({
      clock: call.context.clock,
      beatMs: mucp.readKeepalive(header) / 3,
      silenceMs: keepaliveMs,
      idleMs: 0,
      beat: () => quietly(() => this.#send(EMPTY, [[mucp.FRAME, 'beat']])),
      silent: () => this.#fail(this.#silence()),
      idle: () => {},
    });
  }

  #silence(): OctavoError {
    const { call, keepaliveMs } = this.#init;
    const { service, endpoint, peer } = call;
    return new OctavoError(
      'unavailable',
      `${service} ${endpoint}: ${peer?.address ?? 'the other end'} was silent for ${keepaliveMs} ms (keepaliveMs)`,
    );
  }

  #brokeOff(): OctavoError {
    const { service, endpoint } = this.#init.call;
    return new OctavoError('unavailable', `${service} ${endpoint}: the stream broke off before its end`);
  }

  async #receive(): Promise<Message | undefined> {
    return this.#init.socket.receive();
  }

  async #pump(items: unknown): Promise<void> {
    try {
      if (await this.#sending.all(items, (item) => this.#item(item))) await this.#halfClose();
    } catch (reason) {
      this.#fail(OctavoError.from(reason));
    }
  }

  /** Towards a go-micro server nothing is said: it would take it for the end of everything. */
  async #halfClose(): Promise<void> {
    if (this.#octavo === undefined) await this.#known;
    if (this.#octavo === true && this.#over === undefined) await this.#send(EMPTY, [[mucp.ERROR, mucp.EOS]]);
  }

  #item(value: unknown): MaybePromise<void> {
    const { call, codec, id } = this.#init;
    const { service, endpoint, method } = call;
    const body = codec.write({ kind: 'request', id, service, endpoint }, value, method?.request);
    this.#pulse?.active();
    call.context.meter?.sent(body.length);
    return this.#send(body);
  }

  #send(body: Uint8Array, more: readonly (readonly [string, string])[] = []): MaybePromise<void> {
    const { call, socket, id, codec } = this.#init;
    const header = requestHeader(call, id, codec, true);
    for (const [name, value] of more) header.append(name, value);
    this.#pulse?.sent();
    return socket.send({ header, body });
  }

  #fail(error: OctavoError): void {
    this.#finish(error, error);
  }

  /** @param cut cuts the connection, for this reason, where the other side has not ended itself */
  #finish(error: OctavoError | undefined, cut?: OctavoError): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#pulse?.stop();
    this.#forget();
    this.#init.socket.close(cut);
    this.#sending.leave();
    if (this.#opened) this.#init.onEnd(error);
  }
}
