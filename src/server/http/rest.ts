import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../core/clock.js';
import type { Peer } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { fromGrpc } from '../../core/grpc-metadata.js';
import type { Dispatcher } from '../dispatcher.js';
import { openApi, type Described } from './openapi.js';
import { RestExchange, sendError } from './rest-exchange.js';
import { restRoutes, type RestRoute } from './rest-route.js';

export interface RestParts {
  /** What `/openapi.json` says that it is of; `undefined` where there is to be none. */
  readonly document: { readonly name: string; readonly version: string } | undefined;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  /** Bytes of the longest body. */
  readonly maxMessageBytes: number;
  readonly peerOf: (request: FastifyRequest) => Peer;
  /** Is told of callers that go nowhere else when they are refused, for which a stop waits. */
  readonly strange: () => void;
}

/**
 * Puts the REST routes of a dispatcher's endpoints into a web server, which is not listening yet, and the document that describes all of them.
 *
 * Give that server `maxParamLength`, lest fastify know no parameter of a path longer than 100 characters.
 *
 * @throws `failed_precondition` for a route that cannot be, as {@link restRoutes}, and for one that the server has already
 */
export function mountRest(app: FastifyInstance, parts: RestParts): void {
  const methods = parts.dispatcher.endpoints.map(({ method }) => method);
  const routes = restRoutes(methods);
  if (parts.document !== undefined) mountDocument(app, { ...parts.document, methods, routes });
  if (routes.length === 0) return;
  for (const { method, verb, path } of routes)
    if (app.hasRoute({ method: verb, url: path }))
      throw new OctavoError(
        'failed_precondition',
        `@Http('${verb}', '${path}') of ${method.endpoint}: the http server has that for itself: choose another`,
      );
  // In a scope of their own, as they read bodies in another way than the rest.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer', bodyLimit: parts.maxMessageBytes },
      (_, body, done) => done(null, body),
    );
    scope.setErrorHandler((error, request, reply) =>
      sendError(reply, refusal(error, request), statusOf(error)),
    );
    for (const route of routes)
      scope.route({
        method: route.verb,
        url: route.path,
        handler: (request, reply) => take(route, request, reply, parts),
      });
  });
}

/** Made when somebody asks for the first time, as it takes the rules of all messages. */
function mountDocument(app: FastifyInstance, described: Described): void {
  let text: string | undefined;
  app.get('/openapi.json', (_, reply) => {
    text ??= JSON.stringify(openApi(described));
    void reply.type('application/json; charset=utf-8').send(text);
  });
}

/** Has a request handled. Its answer is sent when there is one. */
function take(route: RestRoute, request: FastifyRequest, reply: FastifyReply, parts: RestParts): void {
  const { dispatcher, clock, peerOf } = parts;
  try {
    parts.strange();
    const admitted = dispatcher.admit(route.method.endpoint);
    const context = dispatcher.context(admitted, {
      now: clock.now(),
      timeoutMs: undefined,
      metadata: () => fromGrpc(pairsOf(request.raw.rawHeaders)),
      peer: peerOf(request),
    });
    reply.raw.once('close', () => {
      if (!context.ended) context.cancel(new OctavoError('cancelled', 'the caller went away'));
    });
    const exchange = new RestExchange(route, context, request, reply);
    dispatcher.dispatch(admitted, context, exchange, exchange);
  } catch (reason) {
    sendError(reply, OctavoError.from(reason));
  }
}

function* pairsOf(raw: readonly string[]): Iterable<readonly [string, string]> {
  for (let at = 0; at < raw.length; at += 2) yield [(raw[at] ?? '').toLowerCase(), raw[at + 1] ?? ''];
}

/** What fastify refuses before a route has it. */
function refusal(error: unknown, { method, url, headers }: FastifyRequest): OctavoError {
  const status = statusOf(error);
  const where = `${method} ${url.split('?')[0] ?? ''}`;
  if (status === 413)
    return new OctavoError('resource_exhausted', `the body of ${where} is too long`, { executed: false });
  if (status === 415)
    return new OctavoError(
      'invalid_argument',
      `${where} reads application/json, and not "${headers['content-type'] ?? ''}": send the request as JSON`,
      { executed: false },
    );
  if (status !== undefined && status < 500)
    return new OctavoError(
      'invalid_argument',
      `${where}: ${error instanceof Error ? error.message : 'it is no request'}`,
    );
  return OctavoError.from(error);
}

function statusOf(error: unknown): number | undefined {
  const { statusCode } = error as { readonly statusCode?: unknown }; // fastify's own have one
  return typeof statusCode === 'number' ? statusCode : undefined;
}
