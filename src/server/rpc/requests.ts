import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import * as mucp from '../../core/mucp.js';
import type { Pulse } from '../../core/pulse.js';
import { readError } from '../../core/wire-error.js';
import type { Socket } from '../../transport/transport.js';
import type { StreamSink } from './stream-sink.js';

export interface RequestsInit {
  readonly socket: Socket;
  readonly octavo: boolean;
  readonly read: (body: Uint8Array) => unknown;
  readonly sink: StreamSink;
  readonly pulse: Pulse;
}

/** The items that a caller sends on a stream, decoded one by one as the handler asks for them. */
export class Requests implements AsyncIterableIterator<unknown> {
  readonly #socket: Socket;
  readonly #octavo: boolean;
  readonly #read: (body: Uint8Array) => unknown;
  readonly #sink: StreamSink;
  readonly #pulse: Pulse;
  #ended = false;

  constructor({ socket, octavo, read, sink, pulse }: RequestsInit) {
    this.#socket = socket;
    this.#octavo = octavo;
    this.#read = read;
    this.#sink = sink;
    this.#pulse = pulse;
  }

  async next(): Promise<IteratorResult<unknown>> {
    // No item comes before the greeting.
    this.#sink.greet();
    const read = await this.take();
    return read === undefined ? { done: true, value: undefined } : { done: false, value: read() };
  }

  /** The next item, to be decoded by whoever wants it; `undefined` after the end. */
  async take(): Promise<(() => unknown) | undefined> {
    for (;;) {
      if (this.#ended) return undefined;
      const message = await this.#receive();
      if (message?.header.has(mucp.FRAME) !== true) return this.#item(message);
    }
  }

  /** Reads on where no item is wanted any more, as who does not read does not hear that the caller has gone. */
  async watch(): Promise<void> {
    try {
      for (let message = await this.#receive(); message !== undefined; message = await this.#receive())
        if (message.header.has(mucp.ERROR)) this.#item(message);
    } catch {
      // Whoever listens for the close of the socket learns of it.
    }
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#ended = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #receive(): MaybePromise<Message | undefined> {
    const received = this.#socket.receive();
    if (!isPromise(received)) return received;
    this.#pulse.listen();
    return received.finally(() => this.#pulse.heard());
  }

  #item(message: Message | undefined): (() => unknown) | undefined {
    if (message === undefined) {
      this.#ended = true;
      throw new OctavoError('cancelled', 'the caller went away');
    }
    const error = message.header.get(mucp.ERROR);
    this.#pulse.active();
    if (error === undefined) return () => this.#read(message.body);
    this.#ended = true;
    if (error !== mucp.EOS) throw readError(error);
    // Between Octavo peers this is a half-close. A go-micro client has closed altogether.
    if (!this.#octavo) this.#sink.mute();
    return undefined;
  }
}
