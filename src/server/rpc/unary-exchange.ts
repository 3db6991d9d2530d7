import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import { checkMetadata, Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { writeError } from '../../core/wire-error.js';
import type { Method } from '../../schema/method.js';
import type { Socket } from '../../transport/transport.js';
import type { Requested } from '../dispatcher.js';
import { readRequest } from '../read-request.js';
import type { ReplySink } from '../reply-sink.js';
import type { Incoming } from './incoming.js';

export interface UnaryExchangeInit {
  readonly socket: Socket;
  readonly incoming: Incoming;
  readonly method: Method;
  readonly context: Context;
  /** What the request is encoded in. */
  readonly body: Uint8Array;
}

/** Reads the one request of a unary call, and writes its one reply. */
export class UnaryExchange implements Requested, ReplySink {
  readonly #socket: Socket;
  readonly #incoming: Incoming;
  readonly #method: Method;
  readonly #context: Context;
  readonly #body: Uint8Array;

  constructor({ socket, incoming, method, context, body }: UnaryExchangeInit) {
    this.#socket = socket;
    this.#incoming = incoming;
    this.#method = method;
    this.#context = context;
    this.#body = body;
  }

  read(): unknown {
    return readRequest(this.#incoming.codec, this.#body, this.#method.request);
  }

  reply(body: unknown): void {
    const { codec, service } = this.#incoming;
    const { endpoint, reply: type } = this.#method;
    const bytes = codec.write({ kind: 'response', id: '', service, endpoint }, body, type);
    this.#send(this.#header(), bytes);
  }

  item(): void {
    throw new OctavoError('internal', `${this.#method.endpoint} is no stream`);
  }

  end(error?: OctavoError): void {
    this.#send(this.#failed(error, this.#header()), EMPTY);
  }

  abort(error: OctavoError): void {
    this.#send(this.#failed(error, replyHeader(this.#incoming)), EMPTY);
  }

  #failed(error: OctavoError | undefined, header: Metadata): Metadata {
    if (error === undefined) return header;
    const text = writeError(error, this.#incoming.service, this.#incoming.octavo);
    return header.append(mucp.ERROR, text).append(`X-${mucp.ERROR}`, text);
  }

  #send(header: Metadata, body: Uint8Array): void {
    // Nobody waits for the other end to read: a unary reply is bounded, and the transport gives up on who never reads.
    const sent = this.#socket.send({ header, body });
    if (isPromise(sent)) sent.catch(() => {});
    this.#socket.close();
  }

  #header(): Metadata {
    const header = replyHeader(this.#incoming);
    const { replied } = this.#context;
    if (replied === undefined) return header;
    addMetadata(header, replied.header);
    // Trailers are for those who know them.
    if (this.#incoming.octavo) addMetadata(header, replied.trailer, mucp.TRAILER);
    return header;
  }
}

/** What every message of a reply begins with. Not an echo of the request, as go-micro's is: nothing reads that. */
export function replyHeader({ contentType, octavo }: Incoming): Metadata {
  return Metadata.of(
    octavo ? [mucp.CONTENT_TYPE, contentType, mucp.OCTAVO, mucp.DIALECT] : [mucp.CONTENT_TYPE, contentType],
  );
}

/** Adds what handler and wrappers put beside a reply. Throws for what metadata cannot be. */
export function addMetadata(header: Metadata, more: Metadata, prefix = ''): void {
  for (const [name, value] of checkMetadata(more)) header.append(`${prefix}${name}`, value);
}
