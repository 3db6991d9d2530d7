import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../../core/context.js';
import { CODES, type OctavoError } from '../../core/error.js';
import { toGrpc } from '../../core/grpc-metadata.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { writeConnectError } from '../../schema/connect-error.js';
import { schemaOf } from '../../schema/schema.js';
import type { Requested } from '../dispatcher.js';
import type { ReplySink } from '../reply-sink.js';
import { readRest } from './rest-request.js';
import type { RestRoute } from './rest-route.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const LINES = 'application/x-ndjson';
const EVENTS = 'text/event-stream';

type Headers = Record<string, string | string[]>;

/**
 * One call by a REST route: its request, and where its answer goes.
 *
 * Items of a stream are lines, `{"result": ...}` each and `{"error": ...}` the last one of a stream that failed; or server-sent events for
 * who accepts them, where the last one is of the type `error`.
 */
export class RestExchange implements Requested, ReplySink {
  readonly #route: RestRoute;
  readonly #context: Context;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #events: boolean;
  #items: PassThrough | undefined;

  constructor(route: RestRoute, context: Context, request: FastifyRequest, reply: FastifyReply) {
    this.#route = route;
    this.#context = context;
    this.#request = request;
    this.#reply = reply;
    this.#events = request.headers.accept?.includes(EVENTS) === true;
  }

  read(): unknown {
    // What fastify makes of a path, of a query, and of a body by the parser of this scope.
    const path = this.#request.params as Record<string, string>;
    const query = this.#request.query as Record<string, string | string[]>;
    const body = this.#request.body as Uint8Array | undefined;
    // A request is in its path where it has no body.
    this.#context.meter?.received(body?.length ?? this.#request.url.length);
    return readRest(this.#route, { path, query, body });
  }

  reply(body: unknown): void {
    const text = this.#json(body);
    const headers = this.#headers();
    this.#reply.headers(headers).type(JSON_TYPE).send(text);
  }

  item(value: unknown): MaybePromise<void> {
    const json = this.#json(value);
    const items = (this.#items ??= this.#open());
    if (items.write(this.#events ? `data: ${json}\n\n` : `{"result":${json}}\n`)) return;
    return new Promise((resolve) => {
      const go = (): void => {
        items.off('drain', go).off('close', go);
        resolve();
      };
      items.on('drain', go).on('close', go);
    });
  }

  end(error?: OctavoError): void {
    if (error === undefined) (this.#items ?? this.#open()).end();
    else if (this.#items === undefined) this.#refuse(error, this.#headers());
    else this.#break(error, this.#items);
  }

  abort(error: OctavoError): void {
    if (this.#items === undefined) this.#refuse(error, {});
    else this.#break(error, this.#items);
  }

  #refuse(error: OctavoError, headers: Headers): void {
    sendError(this.#reply.headers(headers), error);
  }

  /** The head is out: the error is the last thing that is said. */
  #break(error: OctavoError, items: PassThrough): void {
    const json = JSON.stringify(writeConnectError(error));
    items.end(this.#events ? `event: error\ndata: ${json}\n\n` : `{"error":${json}}\n`);
  }

  #open(): PassThrough {
    const items = new PassThrough();
    const headers = this.#headers();
    // Nobody in between may keep items back.
    this.#reply.headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no', ...headers });
    this.#reply.type(this.#events ? EVENTS : LINES).send(items);
    this.#items = items;
    return items;
  }

  #json(value: unknown): string {
    // Writing checks what it is given, field by field.
    const json = JSON.stringify(schemaOf(this.#route.method.reply).toJson(value as object));
    this.#context.meter?.sent(Buffer.byteLength(json));
    return json;
  }

  /** What handler and wrappers put beside the reply. Throws for what metadata cannot be. */
  #headers(): Headers {
    const { replied } = this.#context;
    const headers: Headers = {};
    if (replied === undefined) return headers;
    for (const [name, value] of [
      ...toGrpc(replied.header),
      ...toGrpc(replied.trailer).map(([key, text]) => [`trailer-${key}`, text] as const),
    ]) {
      const text = typeof value === 'string' ? value : value.toString('base64');
      headers[name] = headers[name] === undefined ? text : [headers[name], text].flat();
    }
    return headers;
  }
}

/** Answers with an error: the status of its code, and the JSON that the Connect protocol has for it. */
export function sendError(
  reply: FastifyReply,
  error: OctavoError,
  status: number = CODES[error.code].http,
): void {
  const { retryAfterMs } = error;
  if (retryAfterMs !== undefined) void reply.header('retry-after', String(Math.ceil(retryAfterMs / 1_000)));
  void reply
    .code(status)
    .type(JSON_TYPE)
    .send(JSON.stringify(writeConnectError(error)));
}
