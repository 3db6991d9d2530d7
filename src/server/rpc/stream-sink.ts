import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import type { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import type { Pulse } from '../../core/pulse.js';
import { quietly } from '../../core/quietly.js';
import { writeError } from '../../core/wire-error.js';
import type { Method } from '../../schema/method.js';
import type { Socket } from '../../transport/transport.js';
import type { ReplySink } from '../reply-sink.js';
import type { Incoming } from './incoming.js';
import { addMetadata, replyHeader } from './unary-exchange.js';

export interface StreamSinkInit {
  readonly socket: Socket;
  readonly incoming: Incoming;
  readonly method: Method;
  readonly context: Context;
  readonly pulse: Pulse;
  /** After which silence a caller is taken for dead, in milliseconds, as the greeting says it. */
  readonly keepaliveMs: number;
}

/** Writes the replies of a stream, and its end. */
export class StreamSink implements ReplySink {
  readonly #socket: Socket;
  readonly #incoming: Incoming;
  readonly #method: Method;
  readonly #context: Context;
  readonly #pulse: Pulse;
  readonly #keepaliveMs: number;
  #greeted = false;
  #opened = false;
  #mute = false;

  constructor({ socket, incoming, method, context, pulse, keepaliveMs }: StreamSinkInit) {
    this.#socket = socket;
    this.#incoming = incoming;
    this.#method = method;
    this.#context = context;
    this.#pulse = pulse;
    this.#keepaliveMs = keepaliveMs;
  }

  /** Whether an Octavo caller knows that an Octavo server has taken its stream, so that a half-close will be understood. */
  get greeted(): boolean {
    return this.#greeted;
  }

  /** Tells it so, once: when no wrapper can refuse any more, as one that was refused before goes elsewhere; or when an item is wanted before. */
  greet(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    if (!this.#incoming.octavo) return;
    const header = this.#header()
      .append(mucp.FRAME, 'open')
      .append(mucp.KEEPALIVE, String(this.#keepaliveMs));
    quietly(() => this.#socket.send({ header, body: EMPTY }));
  }

  begun(): void {
    this.greet();
  }

  /** Gives a sign of life. */
  beat(): void {
    // Somebody has kept the stream waiting for so long that the caller had better know who does.
    if (!this.#greeted) return this.greet();
    const header = this.#header().append(mucp.FRAME, 'beat');
    quietly(() => this.#socket.send({ header, body: EMPTY }));
  }

  /** Says nothing more: a go-micro client that ended its stream reads no further. */
  mute(): void {
    this.#mute = true;
  }

  reply(body: unknown): void {
    const sent = this.item(body);
    // The end is written behind the reply, whether or not the other end has read that.
    if (isPromise(sent)) sent.catch(() => {});
    this.end();
  }

  item(value: unknown): MaybePromise<void> {
    if (this.#mute) return;
    this.greet();
    const { codec, service, stream: id = '' } = this.#incoming;
    const { endpoint, reply: type } = this.#method;
    this.#pulse.sent();
    this.#pulse.active();
    const header = this.#header();
    this.#addHeader(header);
    const body = codec.write({ kind: 'response', id, service, endpoint }, value, type);
    this.#context.meter?.sent(body.length);
    return this.#socket.send({ header, body });
  }

  end(error?: OctavoError): void {
    const header = this.#header();
    const { replied } = this.#context;
    if (this.#incoming.octavo && !this.#mute && replied !== undefined) {
      this.#addHeader(header);
      addMetadata(header, replied.trailer, mucp.TRAILER);
    }
    this.#close(header, error);
  }

  abort(error: OctavoError): void {
    this.#close(this.#header(), error);
  }

  #close(header: Metadata, error: OctavoError | undefined): void {
    this.#pulse.stop();
    const { service, octavo, codec, stream: id = '' } = this.#incoming;
    const { endpoint } = this.#method;
    const text = error === undefined ? mucp.EOS : writeError(error, service, octavo);
    header.append(mucp.ERROR, text).append(`X-${mucp.ERROR}`, text);
    if (!this.#mute) {
      const told = { kind: 'error', id, service, endpoint, ...(error && { error }) } as const;
      const sent = this.#socket.send({ header, body: codec.write(told, undefined, undefined) });
      if (isPromise(sent)) sent.catch(() => {});
    }
    this.#socket.close();
  }

  /** The reply's metadata goes with the first message that says anything. */
  #addHeader(header: Metadata): void {
    const { replied } = this.#context;
    if (this.#opened) return;
    this.#opened = true;
    if (replied !== undefined) addMetadata(header, replied.header);
  }

  #header(): Metadata {
    return replyHeader(this.#incoming).append(mucp.STREAM, this.#incoming.stream ?? '');
  }
}
