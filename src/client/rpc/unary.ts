import type { Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import type { Follower } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import type { Node } from '../../registry/registry.js';
import type { Receiver, Socket } from '../../transport/transport.js';
import type { ClientCall } from '../calling/client-call.js';
import type { Outcome } from '../calling/outcome.js';
import { codecFor } from '../calling/codec-for.js';
import { isGoMicro } from '../calling/nodes.js';
import { errorOf, readReply, requestHeader, showMetadata } from './wire.js';

export interface UnaryParts {
  readonly codecs: Codecs;
  /** Gives a connection to a node, at once where one is free. */
  readonly dial: (call: ClientCall, node: Node) => MaybePromise<Socket>;
}

/** One attempt of a call that is no stream: a message there, and one back. */
export class Unary implements Receiver, Follower {
  readonly #parts: UnaryParts;
  readonly #call: ClientCall;
  readonly #node: Node;
  readonly #outcome: Outcome;
  #socket: Socket | undefined = undefined;
  /** Why it was given up before there was a connection. */
  #cut: OctavoError | undefined = undefined;

  constructor(parts: UnaryParts, call: ClientCall, node: Node, outcome: Outcome) {
    this.#parts = parts;
    this.#call = call;
    this.#node = node;
    this.#outcome = outcome;
  }

  /** @param id the call's on the wire */
  start(id: string): void {
    this.#call.attempting = this;
    try {
      const { service, endpoint, contentType, request, method } = this.#call;
      const codec = codecFor(this.#parts.codecs, contentType);
      const body = codec.write({ kind: 'request', id, service, endpoint }, request, method?.request);
      const dialled = this.#parts.dial(this.#call, this.#node);
      if (isPromise(dialled))
        dialled.then(
          (socket) => this.#send(socket, id, codec, body),
          (reason: unknown) => this.failed(reason),
        );
      else this.#send(dialled, id, codec, body);
    } catch (reason) {
      this.failed(reason);
    }
  }

  #send(socket: Socket, id: string, codec: Codec, body: Uint8Array): void {
    this.#socket = socket;
    if (this.#cut !== undefined) return this.#giveUp(socket, this.#cut);
    try {
      this.#call.context.follow(this);
      this.#call.waitsFor('the reply of', this.#node.address);
      // Go-micro's server tells the calls of a connection apart by a stream's id: it reads no other over http, and loses a call without one that
      // follows the last reply too closely.
      const header = requestHeader(this.#call, id, codec, isGoMicro(this.#node));
      this.#call.context.meter?.sent(body.length);
      const sent = socket.send({ header, body });
      if (isPromise(sent))
        sent.then(
          () => this.#receive(socket),
          (reason: unknown) => this.failed(reason),
        );
      else this.#receive(socket);
    } catch (reason) {
      this.failed(reason);
    }
  }

  #receive(socket: Socket): void {
    try {
      if (socket.receiveInto !== undefined) return socket.receiveInto(this);
      const received = socket.receive();
      if (isPromise(received))
        received.then(
          (message) => this.received(message),
          (reason: unknown) => this.failed(reason),
        );
      else this.received(received);
    } catch (reason) {
      this.failed(reason);
    }
  }

  received(message: Message | undefined): void {
    let body: unknown;
    try {
      body = this.#read(message);
    } catch (reason) {
      return this.failed(reason);
    }
    this.#end();
    this.#outcome.succeed({ body });
  }

  #read(message: Message | undefined): unknown {
    const call = this.#call;
    call.context.throwIfCancelled();
    if (message === undefined)
      throw new OctavoError(
        'unavailable',
        `${this.#node.address} closed the connection without a reply of ${call.service} ${call.endpoint}`,
      );
    showMetadata(call, message, { last: true });
    const error = errorOf(message);
    if (error !== undefined) throw error;
    call.context.meter?.received(message.body.length);
    return readReply(this.#parts.codecs, call, message, call.method?.reply);
  }

  failed(reason: unknown): void {
    this.#end();
    this.#outcome.fail(reason);
  }

  /** The call was cancelled, or this attempt: nobody waits for the reply, and the other end is told. */
  cancelled(reason: OctavoError): void {
    this.#cut = reason;
    this.#socket?.close(reason);
  }

  #giveUp(socket: Socket, reason: OctavoError): void {
    socket.close(reason);
    this.failed(reason);
  }

  #end(): void {
    const call = this.#call;
    call.context.leave(this);
    if (call.attempting === this) call.attempting = undefined;
    this.#socket?.close();
  }
}
