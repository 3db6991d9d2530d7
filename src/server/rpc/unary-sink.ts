import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import { checkMetadata, Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { writeError } from '../../core/wire-error.js';
import type { Method } from '../../schema/method.js';
import type { Socket } from '../../transport/transport.js';
import type { Reply } from '../../wrapper/wrapper.js';
import type { ReplySink } from '../dispatcher.js';
import type { Incoming } from './incoming.js';

/** Writes the one reply of a unary call. */
export class UnarySink implements ReplySink {
  readonly #socket: Socket;
  readonly #incoming: Incoming;
  readonly #method: Method;
  readonly #context: Context;

  constructor(socket: Socket, incoming: Incoming, method: Method, context: Context) {
    this.#socket = socket;
    this.#incoming = incoming;
    this.#method = method;
    this.#context = context;
  }

  reply(reply: Reply): void {
    const { codec, service } = this.#incoming;
    const { endpoint, reply: type } = this.#method;
    try {
      const body = codec.write({ kind: 'response', id: '', service, endpoint }, reply.body, type);
      this.#send(this.#header(reply), body);
    } catch (reason) {
      this.end(badReply(reason, this.#context));
    }
  }

  item(): void {
    throw new OctavoError('internal', `${this.#method.endpoint} is no stream`);
  }

  end(error?: OctavoError): void {
    try {
      this.#send(this.#failed(error, this.#header(undefined)), EMPTY);
    } catch (reason) {
      // What stands beside the reply cannot travel; what became of the call must.
      this.#send(this.#failed(error ?? badReply(reason, this.#context), replyHeader(this.#incoming)), EMPTY);
    }
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

  #header(reply: Reply | undefined): Metadata {
    const header = replyHeader(this.#incoming);
    addReplyMetadata(header, this.#context, reply);
    return header;
  }
}

/** What every message of a reply begins with. Not an echo of the request, as go-micro's is: nothing reads that. */
export function replyHeader({ contentType, octavo }: Incoming): Metadata {
  const header = new Metadata().append(mucp.CONTENT_TYPE, contentType);
  return octavo ? header.append(mucp.OCTAVO, mucp.DIALECT) : header;
}

/** Adds what handler and wrappers put beside the reply; trailers only for those who know them. Throws for what metadata cannot be. */
function addReplyMetadata(header: Metadata, context: Context, reply: Reply | undefined): void {
  const { replied } = context;
  if (replied === undefined && reply?.header === undefined && reply?.trailer === undefined) return;
  const octavo = header.has(mucp.OCTAVO);
  for (const each of [replied?.header, reply?.header])
    for (const [name, value] of each === undefined ? [] : checkMetadata(each)) header.append(name, value);
  if (octavo) addTrailer(header, replied?.trailer, reply?.trailer);
}

/** Adds trailers, under the dialect's prefix. */
export function addTrailer(header: Metadata, ...trailers: readonly (Metadata | undefined)[]): void {
  for (const each of trailers)
    for (const [name, value] of each === undefined ? [] : checkMetadata(each))
      header.append(`${mucp.TRAILER}${name}`, value);
}

/** A reply that cannot be sent, as its type or the wire cannot hold it, is the handler's fault and not the caller's. */
export function badReply(reason: unknown, context: Context): OctavoError {
  const error = OctavoError.from(reason);
  if (error.code === 'resource_exhausted') return error;
  context.log.error('a handler gave a reply that cannot be sent', { error: reason });
  return new OctavoError(
    'internal',
    `${context.endpoint} gave a reply that cannot be sent: ${error.message}`,
    {
      cause: reason,
    },
  );
}
