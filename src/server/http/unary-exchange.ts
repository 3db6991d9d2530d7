import type { OutgoingHttpHeaders } from 'node:http';
import type { Clock } from '../../core/clock.js';
import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { pack, unpack, type GrpcEncoding } from '../../core/grpc-compression.js';
import { isPromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import type { Method } from '../../schema/method.js';
import type { Requested, Waiting } from '../dispatcher.js';
import { readRequest } from '../read-request.js';
import type { ReplySink } from '../reply-sink.js';
import { answerError } from './answers.js';
import { readBody } from './body.js';
import type { Exchange } from './exchange.js';
import type { Form } from './form.js';
import { addMetadata, TRAILER } from './headers.js';
import type { HttpLimits } from './limits.js';

export interface UnaryExchangeInit {
  readonly exchange: Exchange;
  readonly form: Form;
  readonly method: Method;
  readonly context: Context;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  /** The request, where it is not the body of what came. */
  readonly query?: Uint8Array;
  /** How the request is packed, if it is. */
  readonly packed: GrpcEncoding | undefined;
  /** How a reply may be packed, if it may. */
  readonly accepts: GrpcEncoding | undefined;
}

/** A call without streams in the Connect protocol. Source: connectrpc.com/docs/protocol, Unary-Request. */
export class UnaryExchange implements Requested, ReplySink {
  readonly #init: UnaryExchangeInit;
  #body: Uint8Array = EMPTY;

  constructor(init: UnaryExchangeInit) {
    this.#init = init;
  }

  arrive(waiting: Waiting): void {
    const { exchange, context, clock, limits, query } = this.#init;
    const { timeoutMs } = limits;
    const taker = { took: (body: Uint8Array) => this.#take(body, waiting), failed: waiting.failed };
    if (query !== undefined) return taker.took(query);
    // A time of its own is for a caller that waits longer than that.
    const own = timeoutMs > 0 && (context.deadline ?? Infinity) > context.begunAt + timeoutMs;
    readBody(exchange, limits, own ? clock : undefined, taker);
  }

  read(): unknown {
    const { form, method, context } = this.#init;
    const body = this.#body;
    context.meter?.received(body.length);
    return readRequest(form.codec, body, method.request);
  }

  reply(value: unknown): void {
    const { exchange, form, method, context, limits, accepts } = this.#init;
    const { service } = context;
    const header = { kind: 'response', id: '', service, endpoint: method.endpoint } as const;
    const body = form.codec.write(header, value, method.reply);
    context.meter?.sent(body.length);
    if (body.length > limits.maxMessageBytes) throw tooLong(body.length, limits.maxMessageBytes);
    const headers = this.#headers();
    headers['content-type'] = form.contentType;
    if (accepts === undefined || body.length < limits.compressMinBytes)
      return exchange.respond(200, headers, body);
    headers['content-encoding'] = accepts;
    const packed = pack(accepts, body);
    if (!isPromise(packed)) return exchange.respond(200, headers, packed);
    packed
      .then((bytes) => exchange.respond(200, headers, bytes))
      .catch((reason: unknown) => this.abort(OctavoError.from(reason)));
  }

  item(): void {
    throw new OctavoError('internal', `${this.#init.method.endpoint} is no stream`);
  }

  end(error?: OctavoError): void {
    if (error !== undefined) answerError(this.#init.exchange, error, this.#headers());
  }

  abort(error: OctavoError): void {
    answerError(this.#init.exchange, error);
  }

  #take(body: Uint8Array, waiting: Waiting): void {
    const { packed, limits } = this.#init;
    if (packed === undefined) return this.#took(body, waiting);
    try {
      const unpacked = unpack(packed, body, limits.maxMessageBytes);
      if (isPromise(unpacked)) unpacked.then((it) => this.#took(it, waiting), waiting.failed);
      else this.#took(unpacked, waiting);
    } catch (reason) {
      waiting.failed(reason);
    }
  }

  #took(body: Uint8Array, waiting: Waiting): void {
    this.#body = body;
    waiting.arrived();
  }

  /** What handler and wrappers put beside the reply. */
  #headers(): OutgoingHttpHeaders {
    const { context, limits } = this.#init;
    const headers: OutgoingHttpHeaders = {};
    const { replied } = context;
    if (replied === undefined) return headers;
    addMetadata(headers, replied.header, limits);
    addMetadata(headers, replied.trailer, limits, TRAILER);
    return headers;
  }
}

function tooLong(bytes: number, limit: number): OctavoError {
  return new OctavoError(
    'resource_exhausted',
    `a reply of ${bytes} bytes: the limit is ${limit} (maxMessageBytes)`,
  );
}
