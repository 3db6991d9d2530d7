import type { Readable } from 'node:stream';
import type { Follower } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { pack } from '../../core/grpc-compression.js';
import { COMPRESSED, GrpcFrames, writeFrame, type GrpcFrame } from '../../core/grpc-frames.js';
import type { ClientCall } from '../calling/client-call.js';
import { Sending } from '../calling/sending.js';
import type { Answer, Asked, Asker, Connections } from './asking.js';
import { pathOf, type Target } from './target.js';
import type { Writing } from './unary.js';
import { whole } from './whole.js';
import {
  AnswerHeaders,
  callHeaders,
  encodingOf,
  errorOf,
  readEnd,
  readReply,
  unpacked,
  type Encoding,
} from './wire.js';

/** What every request says. */
const PROTOCOL = ['connect-protocol-version', '1'];
const PACKING = ['connect-accept-encoding', 'gzip', 'connect-content-encoding', 'gzip'];
/** The flag of a stream's last frame. */
const END = 0x02;
/** For how long an answer may go on behind its last frame, in milliseconds, before its connection is cut. */
const LINGER_MS = 1_000;

/** One stream in the Connect protocol: frames there and back. Source: connectrpc.com/docs/protocol, Streaming-Request. */
export class StreamExchange implements AsyncIterableIterator<unknown>, Asker, Follower {
  readonly call: ClientCall;
  readonly #writing: Writing;
  readonly #connections: Connections;
  readonly #target: Target;
  readonly #encoding: Encoding;
  readonly #frames: GrpcFrames;
  readonly #connected = deferred<void>();
  readonly #answer = deferred<Answer>();
  #asked: Asked | undefined;
  #chunks: AsyncIterator<Buffer> | undefined;
  #headers: AnswerHeaders | undefined;
  /** Read ahead, to know whether the other end has taken the stream. */
  #first: IteratorResult<unknown> | undefined;
  readonly #sending = new Sending();
  #sent = false;
  #opened = false;
  #over: { readonly error: OctavoError | undefined } | undefined;

  /** @throws `invalid_argument` for a content type that the protocol does not know */
  constructor(writing: Writing, connections: Connections, call: ClientCall, target: Target) {
    this.call = call;
    this.#writing = writing;
    this.#connections = connections;
    this.#target = target;
    this.#encoding = encodingOf(writing.codecs, call.contentType);
    this.#frames = new GrpcFrames({ maxBytes: writing.maxMessageBytes, flags: COMPRESSED | END });
  }

  /**
   * Opens the stream. No item of the caller's is touched before there is a connection, so that another node can be asked where there is none; and
   * one whose request is a single message is open when the first word of the answer is there, so that it can be refused till then.
   */
  async open(): Promise<void> {
    const { call } = this;
    call.context.follow(this);
    // An attempt may be given up until it has succeeded.
    call.attempting = this;
    try {
      call.waitsFor('a connection to', this.#target.shown);
      this.#asked = await this.#connections.ask(this.#target, this.#head(), this);
      if (this.#over !== undefined) this.#asked.cut();
      await this.#connected.promise;
      call.waitsFor('the stream from', this.#target.shown);
      if (call.kind === 'server') {
        await this.#send(call.request);
        this.#endSend();
        this.#first = await this.#next();
      } else void this.#pump(call.request);
    } catch (reason) {
      this.#fail(OctavoError.from(reason));
    }
    if (this.#over?.error !== undefined && this.#first === undefined) throw this.#over.error;
    this.#opened = true;
    call.attempting = undefined;
    // It is over already, and nobody was told.
    if (this.#over !== undefined) call.end();
  }

  async next(): Promise<IteratorResult<unknown>> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined && first.done !== true) return first;
    return this.#next();
  }

  /** The reader has left: the handler at the other side is cancelled. */
  async return(): Promise<IteratorResult<unknown>> {
    this.#first = undefined;
    this.#finish(undefined, true);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  connected(): void {
    this.#connected.resolve();
  }

  answered(answer: Answer): void {
    this.#connected.resolve();
    this.#answer.resolve(answer);
  }

  failed(error: OctavoError): void {
    this.#connected.reject(error);
    this.#answer.reject(error);
    this.#fail(error);
  }

  cancelled(reason: OctavoError): void {
    this.#fail(reason);
  }

  #head(): Parameters<Connections['ask']>[1] {
    const { compressBytes } = this.#writing;
    const fixed = ['content-type', this.#contentType, ...PROTOCOL];
    const headers = callHeaders(this.call, compressBytes < Infinity ? [...fixed, ...PACKING] : fixed);
    return { method: 'POST', path: pathOf(this.call), headers };
  }

  get #contentType(): string {
    return `application/connect+${this.#encoding.name}`;
  }

  async #next(): Promise<IteratorResult<unknown>> {
    while (this.#over === undefined)
      try {
        const frame = this.#frames.next();
        if (frame === undefined) await this.#more();
        else {
          const item = await this.#take(frame);
          if (item !== undefined) return item;
        }
      } catch (reason) {
        this.#fail(OctavoError.from(reason));
      }
    const { error } = this.#over;
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  /** Reads on. */
  async #more(): Promise<void> {
    const chunks = (this.#chunks ??= await this.#begin());
    if (this.#over !== undefined) return;
    const step = await chunks.next().catch((cause: unknown) => {
      throw this.#brokeOff(cause);
    });
    if (this.#over !== undefined) return;
    if (step.done === true) throw this.#brokeOff();
    this.#frames.add(step.value);
  }

  /** Waits for the head of the answer. */
  async #begin(): Promise<AsyncIterator<Buffer>> {
    const answer = await this.#answer.promise;
    const { status, body } = answer;
    const headers = new AnswerHeaders(answer);
    this.#headers = headers;
    if (status !== 200 || headers.contentType !== this.#contentType)
      throw await this.#refusal(status, headers, body);
    headers.show(this.call, { last: false });
    return (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  async #refusal(status: number, headers: AnswerHeaders, body: Readable): Promise<OctavoError> {
    const { maxMessageBytes } = this.#writing;
    const bytes = await new Promise<Buffer>((resolve, reject) =>
      whole(body, maxMessageBytes, (error, read) => (error === undefined ? resolve(read) : reject(error))),
    );
    const plain = await unpacked(headers.get('content-encoding'), bytes, maxMessageBytes);
    return errorOf(this.#target, this.call, status, { headers, body: plain });
  }

  /** The item in a frame; `undefined` for the last one, which has none. */
  async #take({ flags, body }: GrpcFrame): Promise<IteratorResult<unknown> | undefined> {
    const { call } = this;
    const encoding = (flags & COMPRESSED) === 0 ? undefined : this.#headers?.get('connect-content-encoding');
    if ((flags & COMPRESSED) !== 0 && encoding === undefined)
      throw new OctavoError(
        'internal',
        `${this.#target.shown} sent a packed message and did not say how it packs`,
      );
    const bytes = await unpacked(encoding, body, this.#writing.maxMessageBytes);
    if (this.#over !== undefined) return undefined;
    if ((flags & END) === 0) return { done: false, value: readReply(call, this.#encoding, bytes) };
    const { error, trailer } = readEnd(this.#target.shown, bytes);
    call.options.onTrailer?.(trailer);
    this.#finish(error, false);
    return undefined;
  }

  async #pump(items: unknown): Promise<void> {
    try {
      if (await this.#sending.all(items, (item) => this.#send(item))) this.#endSend();
    } catch (reason) {
      this.#fail(OctavoError.from(reason));
    }
  }

  async #send(value: unknown): Promise<void> {
    const { service, endpoint, method } = this.call;
    const { compressBytes } = this.#writing;
    const bytes = this.#encoding.codec.write(
      { kind: 'request', id: '', service, endpoint },
      value,
      method?.request,
    );
    this.call.context.meter?.sent(bytes.length);
    const frame =
      bytes.length < compressBytes ? writeFrame(bytes) : writeFrame(await pack('gzip', bytes), COMPRESSED);
    const body = this.#asked?.body;
    if (body === undefined || this.#over !== undefined || body.destroyed || body.write(frame)) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        body.off('drain', go).off('close', go);
        resolve();
      };
      body.on('drain', go).on('close', go);
    });
  }

  #endSend(): void {
    this.#sent = true;
    this.#asked?.body.end();
  }

  #brokeOff(cause?: unknown): OctavoError {
    const { service, endpoint } = this.call;
    return new OctavoError('unavailable', `${service} ${endpoint}: the stream broke off before its end`, {
      cause,
    });
  }

  #fail(error: OctavoError): void {
    this.#finish(error, true);
  }

  /** @param cut whether the other side has not ended itself */
  #finish(error: OctavoError | undefined, cut: boolean): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    const { call } = this;
    call.context.leave(this);
    // Whoever waits for them is to go on.
    const reason = error ?? new OctavoError('cancelled', 'the reader left');
    this.#connected.reject(reason);
    this.#answer.reject(reason);
    this.#frames.clear();
    if (cut || !this.#sent) this.#asked?.cut();
    else void this.#drain();
    this.#sending.leave();
    if (this.#opened) call.end();
  }

  /** Reads to the end of the answer, so that its connection can be used again. */
  async #drain(): Promise<void> {
    const timer = this.call.context.clock.after(LINGER_MS, () => this.#asked?.cut(), { background: true });
    const step = await this.#chunks?.next().catch(() => undefined);
    timer.cancel();
    if (step?.done !== true) this.#asked?.cut();
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> = { resolve: () => {}, reject: () => {} };
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  // Nobody may be waiting for it.
  promise.catch(() => {});
  return { promise, ...settle };
}
