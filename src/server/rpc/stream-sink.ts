import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import { checkMetadata, type Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import type { Pulse } from '../../core/pulse.js';
import { quietly } from '../../core/quietly.js';
import { writeError } from '../../core/wire-error.js';
import type { Method } from '../../schema/method.js';
import type { Socket } from '../../transport/transport.js';
import type { Reply } from '../../wrapper/wrapper.js';
import type { ReplySink } from '../dispatcher.js';
import type { Incoming } from './incoming.js';
import { addTrailer, badReply, replyHeader } from './unary-sink.js';

export interface StreamSinkInit {
  readonly socket: Socket;
  readonly incoming: Incoming;
  readonly method: Method;
  readonly context: Context;
  readonly pulse: Pulse;
}

/** Writes the replies of a stream, and its end. */
export class StreamSink implements ReplySink {
  readonly #socket: Socket;
  readonly #incoming: Incoming;
  readonly #method: Method;
  readonly #context: Context;
  readonly #pulse: Pulse;
  #opened = false;
  #mute = false;

  constructor({ socket, incoming, method, context, pulse }: StreamSinkInit) {
    this.#socket = socket;
    this.#incoming = incoming;
    this.#method = method;
    this.#context = context;
    this.#pulse = pulse;
  }

  /** Tells an Octavo caller that an Octavo server has its stream, so that it knows a half-close will be understood. */
  greet(keepaliveMs: number): void {
    if (!this.#incoming.octavo) return;
    const header = this.#header().append(mucp.FRAME, 'open').append(mucp.KEEPALIVE, String(keepaliveMs));
    quietly(() => this.#socket.send({ header, body: EMPTY }));
  }

  /** Gives a sign of life. */
  beat(): void {
    const header = this.#header().append(mucp.FRAME, 'beat');
    quietly(() => this.#socket.send({ header, body: EMPTY }));
  }

  /** Says nothing more: a go-micro client that ended its stream reads no further. */
  mute(): void {
    this.#mute = true;
  }

  reply(reply: Reply): void {
    try {
      const sent = this.#item(reply.body, reply.header);
      if (reply.trailer !== undefined)
        for (const [name, value] of reply.trailer) this.#context.reply.trailer.append(name, value);
      // The end is written behind the reply, whether or not the other end has read that.
      if (isPromise(sent)) sent.catch(() => {});
      this.end();
    } catch (reason) {
      this.end(badReply(reason, this.#context));
    }
  }

  item(value: unknown): MaybePromise<void> {
    try {
      return this.#item(value, undefined);
    } catch (reason) {
      throw badReply(reason, this.#context);
    }
  }

  end(error?: OctavoError): void {
    this.#pulse.stop();
    if (!this.#mute)
      try {
        this.#close(error, true);
      } catch (reason) {
        // What stands beside the reply cannot travel; what became of the stream must.
        this.#close(error ?? badReply(reason, this.#context), false);
      }
    this.#socket.close();
  }

  #close(error: OctavoError | undefined, withMetadata: boolean): void {
    const { service, octavo } = this.#incoming;
    const header = this.#header();
    const text = error === undefined ? mucp.EOS : writeError(error, service, octavo);
    header.append(mucp.ERROR, text).append(`X-${mucp.ERROR}`, text);
    if (octavo && withMetadata) {
      this.#addHeader(header, undefined);
      addTrailer(header, this.#context.replied?.trailer);
    }
    const sent = this.#socket.send({ header, body: EMPTY });
    if (isPromise(sent)) sent.catch(() => {});
  }

  #item(value: unknown, more: Metadata | undefined): MaybePromise<void> {
    if (this.#mute) return;
    const { codec, service } = this.#incoming;
    const { endpoint, reply: type } = this.#method;
    this.#pulse.sent();
    this.#pulse.active();
    const header = this.#header();
    this.#addHeader(header, more);
    return this.#socket.send({
      header,
      body: codec.write({ kind: 'response', id: '', service, endpoint }, value, type),
    });
  }

  /** The reply's metadata goes with the first message that says anything. */
  #addHeader(header: Metadata, more: Metadata | undefined): void {
    if (this.#opened) return;
    this.#opened = true;
    for (const each of [this.#context.replied?.header, more])
      for (const [name, value] of each === undefined ? [] : checkMetadata(each)) header.append(name, value);
  }

  #header(): Metadata {
    return replyHeader(this.#incoming).append(mucp.STREAM, this.#incoming.stream ?? '');
  }
}
