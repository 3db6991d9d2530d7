import { OctavoError } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import * as mucp from '../../core/mucp.js';
import { readError } from '../../core/wire-error.js';
import type { Socket } from '../../transport/transport.js';
import type { StreamSink } from './stream-sink.js';

/** The items that a caller sends on a stream, decoded one by one as the handler asks for them. */
export class Requests implements AsyncIterableIterator<unknown> {
  readonly #socket: Socket;
  readonly #octavo: boolean;
  readonly #read: (body: Uint8Array) => unknown;
  readonly #sink: StreamSink;
  #ended = false;

  constructor(socket: Socket, octavo: boolean, read: (body: Uint8Array) => unknown, sink: StreamSink) {
    this.#socket = socket;
    this.#octavo = octavo;
    this.#read = read;
    this.#sink = sink;
  }

  async next(): Promise<IteratorResult<unknown>> {
    if (this.#ended) return { done: true, value: undefined };
    const received = this.#socket.receive();
    const message = isPromise(received) ? await received : received;
    return this.#item(message);
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#ended = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #item(message: Message | undefined): IteratorResult<unknown> {
    if (message === undefined) {
      this.#ended = true;
      throw new OctavoError('cancelled', 'the caller went away');
    }
    const error = message.header.get(mucp.ERROR);
    if (error === undefined) return { done: false, value: this.#read(message.body) };
    this.#ended = true;
    if (error !== mucp.EOS) throw readError(error);
    // Between Octavo peers this is a half-close. A go-micro client has closed altogether.
    if (!this.#octavo) this.#sink.mute();
    return { done: true, value: undefined };
  }
}
