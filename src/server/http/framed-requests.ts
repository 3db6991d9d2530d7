import { OctavoError } from '../../core/error.js';
import { unpack, type GrpcEncoding } from '../../core/grpc-compression.js';
import { COMPRESSED, GrpcFrames, type GrpcFrame } from '../../core/grpc-frames.js';
import type { Pulse } from '../../core/pulse.js';
import type { Exchange } from './exchange.js';
import { Base64Reader } from './base64-reader.js';

export interface FramedRequestsInit {
  readonly exchange: Exchange;
  /** Whether the frames travel as base64. */
  readonly base64: boolean;
  /** How those messages are packed that are. */
  readonly packed: GrpcEncoding | undefined;
  readonly maxMessageBytes: number;
  readonly read: (body: Uint8Array) => unknown;
  readonly pulse: Pulse;
}

/** How much waits for whoever reads before its sender has to wait, in bytes; one message may be longer. */
const READ_AHEAD = 256 * 1024;

/** The messages that a caller sends, decoded one by one as somebody asks for them. */
export class FramedRequests implements AsyncIterableIterator<unknown> {
  readonly #init: FramedRequestsInit;
  readonly #frames: GrpcFrames;
  readonly #text: Base64Reader | undefined;
  /** Nothing more comes: in order, or as the caller has gone. */
  #ended = false;
  #gone = false;
  /** Nobody asks any more. */
  #left = false;
  #paused = false;
  #wake: (() => void) | undefined;

  constructor(init: FramedRequestsInit) {
    this.#init = init;
    const { exchange, maxMessageBytes, packed, base64 } = init;
    this.#frames = new GrpcFrames({
      maxBytes: maxMessageBytes,
      flags: packed === undefined ? 0 : COMPRESSED,
    });
    this.#text = base64 ? new Base64Reader() : undefined;
    exchange.request.on('data', (chunk: Buffer) => this.#take(chunk));
    exchange.request.once('end', () => this.#end(false));
    exchange.onClose(() => this.#end(true));
  }

  async next(): Promise<IteratorResult<unknown>> {
    const body = await this.#body();
    return body === undefined
      ? { done: true, value: undefined }
      : { done: false, value: this.#init.read(body) };
  }

  /** The one message of a caller that sends no more than one, as its bytes. Rejects with `invalid_argument` for none, `unimplemented` for several. */
  async only(endpoint: string): Promise<Uint8Array> {
    const body = await this.#body();
    if (body === undefined) throw new OctavoError('invalid_argument', `${endpoint} got no request`);
    if ((await this.#body()) !== undefined)
      throw new OctavoError('unimplemented', `${endpoint} takes one request, and got several`);
    return body;
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#leave();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next message; `undefined` after the last one, and where nobody asks any more. */
  async #body(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#left) return undefined;
      const frame = this.#next();
      if (frame !== undefined) {
        this.#init.pulse.active();
        return this.#unpacked(frame);
      }
      if (this.#ended) return this.#over();
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #next(): GrpcFrame | undefined {
    try {
      const frame = this.#frames.next();
      if (this.#paused && this.#frames.held < READ_AHEAD / 2) {
        this.#paused = false;
        this.#init.exchange.request.resume();
      }
      return frame;
    } catch (reason) {
      // Where the next one would begin is not known.
      this.#leave();
      throw reason;
    }
  }

  #unpacked({ flags, body }: GrpcFrame): Uint8Array | Promise<Uint8Array> {
    const { packed, maxMessageBytes } = this.#init;
    return packed === undefined || flags === 0 ? body : unpack(packed, body, maxMessageBytes);
  }

  #over(): undefined {
    this.#left = true;
    if (this.#gone) throw new OctavoError('cancelled', 'the caller went away');
    if (this.#frames.held > 0)
      throw new OctavoError('invalid_argument', 'the request ended in the middle of a message');
    return undefined;
  }

  #take(chunk: Buffer): void {
    if (this.#left) return;
    this.#frames.add(this.#text === undefined ? chunk : this.#text.read(chunk));
    this.#woken();
    if (this.#paused || this.#frames.held < READ_AHEAD || !this.#hasOne()) return;
    this.#paused = true;
    this.#init.exchange.request.pause();
  }

  /** Whether there is something to read: a message, or what can be none. */
  #hasOne(): boolean {
    try {
      const length = this.#frames.length();
      return length !== undefined && length <= this.#frames.held;
    } catch {
      return true;
    }
  }

  #leave(): void {
    this.#left = true;
    this.#frames.clear();
    this.#init.exchange.request.resume();
  }

  #end(gone: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#gone = gone;
    this.#woken();
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
