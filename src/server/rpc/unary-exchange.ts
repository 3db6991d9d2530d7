import { HeaderCodec, type CallHeader, type Codec } from '../../codec/codec.js';
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
    this.#context.meter?.received(this.#body.length);
    return readRequest(this.#incoming.codec, this.#body, this.#method.request);
  }

  reply(body: unknown): void {
    const { codec, service, envelope } = this.#incoming;
    const { endpoint, reply: type } = this.#method;
    const header = { kind: 'response', id: envelope?.id ?? '', service, endpoint } as const;
    const bytes = isQuiet(envelope) ? EMPTY : codec.write(header, body, type);
    this.#context.meter?.sent(bytes.length);
    this.#send(this.#header(), bytes);
  }

  item(): void {
    throw new OctavoError('internal', `${this.#method.endpoint} is no stream`);
  }

  end(error?: OctavoError): void {
    this.#fail(error, this.#header());
  }

  abort(error: OctavoError): void {
    this.#fail(error, replyHeader(this.#incoming));
  }

  #fail(error: OctavoError | undefined, header: Metadata): void {
    const { service, octavo, codec, envelope } = this.#incoming;
    if (error === undefined || isQuiet(envelope)) return this.#send(header, EMPTY);
    const text = writeError(error, service, octavo);
    header.append(mucp.ERROR, text).append(`X-${mucp.ERROR}`, text);
    this.#send(header, errorBody(error, service, codec, envelope));
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
export function replyHeader({ contentType, octavo, codec, service }: Incoming): Metadata {
  const header = Metadata.of(
    octavo ? [mucp.CONTENT_TYPE, contentType, mucp.OCTAVO, mucp.DIALECT] : [mucp.CONTENT_TYPE, contentType],
  );
  if (codec instanceof HeaderCodec)
    for (const [name, value] of codec.writeCall({ kind: 'response', id: '', service, endpoint: '' }))
      header.append(name, value);
  return header;
}

/** Adds what handler and wrappers put beside a reply. Throws for what metadata cannot be. */
export function addMetadata(header: Metadata, more: Metadata, prefix = ''): void {
  for (const [name, value] of checkMetadata(more)) header.append(`${prefix}${name}`, value);
}

/** Whether a request is not to be answered, whatever becomes of it: what has no word for silence gets a message without a body. */
export function isQuiet(envelope: CallHeader | undefined): boolean {
  return envelope?.kind === 'event';
}

/** The body that says an error: an envelope, where the codec has one. */
export function errorBody(
  error: OctavoError,
  service: string,
  codec: Codec,
  envelope: CallHeader | undefined,
): Uint8Array {
  const { id = null, endpoint = '' } = envelope ?? {};
  return codec.write({ kind: 'error', id, service, endpoint, error }, undefined, undefined);
}
