import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../core/clock.js';
import type { Peer } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { fromGrpc } from '../../core/grpc-metadata.js';
import type { Dispatcher } from '../dispatcher.js';
import { RestExchange, sendError } from './rest-exchange.js';
import { restRoutes, type RestRoute } from './rest-route.js';

export interface RestParts {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  /** Bytes of the longest body. */
  readonly maxMessageBytes: number;
  readonly peerOf: (request: FastifyRequest) => Peer;
}

/**
 * Puts the REST routes of a dispatcher's endpoints into a web server, which is not listening yet.
 *
 * Give that server `maxParamLength`, lest fastify know no parameter of a path longer than 100 characters.
 *
 * @throws `failed_precondition` for a route that cannot be, as {@link restRoutes}
 */
export function mountRest(app: FastifyInstance, parts: RestParts): void {
  const routes = restRoutes(parts.dispatcher.endpoints.map(({ method }) => method));
  if (routes.length === 0) return;
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

/** Has a request handled. Its answer is sent when there is one. */
function take(route: RestRoute, request: FastifyRequest, reply: FastifyReply, parts: RestParts): void {
  const { dispatcher, clock, peerOf } = parts;
  try {
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
