import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { OctavoError } from '../../core/error.js';
import type { Method } from '../../schema/method.js';
import { answerProbe, PROBED, type Probes } from '../../core/probes.js';
import type { Dispatcher } from '../dispatcher.js';
import { isIdempotent, type Calls } from './calls.js';
import type { Exchange } from './exchange.js';

/** What routes are made from. */
export interface RoutesParts {
  /** Whose endpoints they are. */
  readonly service: string;
  readonly dispatcher: Dispatcher;
  readonly calls: Calls;
  readonly probes: Probes;
  /** Whether hooks may put something into responses. */
  readonly hooked: boolean;
}

/** How many endpoints an answer names to who asks for one that is not there. */
const MOST_NAMED = 20;
/** What an endpoint may be asked by that does not take it. */
const OTHERS = ['HEAD', 'PUT', 'PATCH', 'DELETE'];
const NOTHING: OutgoingHttpHeaders = Object.freeze({});
const PATH = /^\/(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*\/[A-Za-z_]\w*)$/;

/** Gives every endpoint its path, by which Connect and gRPC-Web call it; and shows how the service is. */
export function mountCalls(
  app: FastifyInstance,
  { service, dispatcher, calls, probes, hooked }: RoutesParts,
): void {
  // Before fastify reads their bodies: those are bounded, and stream, as the call wants it.
  const take = (method: string[], url: string, serve: (exchange: Exchange) => void): void => {
    app.route({
      method,
      url,
      exposeHeadRoute: false,
      onRequest: ({ raw }: FastifyRequest, reply) =>
        serve(calls.exchange(raw, hijacked(reply), hooked ? headersOf(reply) : NOTHING)),
      handler: () => {},
    });
  };
  for (const { method, url } of dispatcher.endpoints.flatMap((each) => placesOf(each.method, service))) {
    const idempotent = isIdempotent(method);
    take(['POST'], url, (exchange) => calls.post(exchange, method));
    if (idempotent) take(['GET'], url, (exchange) => calls.get(exchange, method));
    take(idempotent ? OTHERS : ['GET', ...OTHERS], url, (exchange) => calls.notAllowed(exchange, method));
  }
  for (const path of ['/health', '/ready'] as const) probe(app, path, probes);
}

/** Shows what was counted, and says what there is to who asks for what is not, unless routes of the user's do. */
export async function mountOthers(
  app: FastifyInstance,
  { dispatcher, calls, probes }: RoutesParts,
): Promise<void> {
  await app.after();
  if (!app.hasRoute({ method: 'GET', url: '/metrics' })) probe(app, '/metrics', probes);
  const refuse = (request: FastifyRequest, reply: FastifyReply): void => {
    const exchange = calls.exchange(request.raw, hijacked(reply), headersOf(reply));
    const path = request.url.split('?')[0] ?? '';
    const [, endpoint] = PATH.exec(path) ?? [];
    const what = endpoint === undefined ? 'path' : `endpoint "${endpoint.replace('/', '.')}" at`;
    calls.refuse(
      exchange,
      new OctavoError(
        'unimplemented',
        `no ${what} ${request.method} ${path.slice(0, 200)}: there are ${shown(dispatcher)}`,
        { executed: false },
      ),
    );
  };
  // In a scope of its own, so that its hook is asked for nothing else.
  await app.register(async (scope) => {
    try {
      scope.setNotFoundHandler(refuse);
    } catch {
      // Theirs stands.
      return;
    }
    // Before fastify reads a body, of which it may think something else.
    scope.addHook('onRequest', (request, reply) => refuse(request, reply));
  });
}

/** The path of an endpoint: `/greeter.Greeter/Hello`. */
export function pathOf({ package: name, endpoint }: Method): string {
  return `/${name}.${endpoint.replace('.', '/')}`;
}

/** An endpoint's own path, and the one by which those call it who know the service's name and no package, as go-micro does. */
function placesOf(method: Method, service: string): { method: Method; url: string }[] {
  const named = pathOf({ ...method, package: service.replaceAll(/[^\w.]/g, '_') });
  return [...new Set([pathOf(method), named])].map((url) => ({ method, url }));
}

function hijacked(reply: FastifyReply): FastifyReply['raw'] {
  return reply.hijack().raw;
}

/** What hooks have put into a response, such as those of CORS. */
function headersOf(reply: FastifyReply): OutgoingHttpHeaders {
  // fastify's types allow numbers where Node's do not; Node writes them.
  return reply.getHeaders() as OutgoingHttpHeaders;
}

function shown({ endpoints }: Dispatcher): string {
  const known = endpoints.filter(({ method }) => method.options.internal !== true);
  const paths = known
    .slice(0, MOST_NAMED)
    .flatMap(({ method }) => [
      `POST ${pathOf(method)}`,
      ...(method.routes ?? []).map((route) => `${route.verb} ${route.path}`),
    ]);
  const more = known.length > MOST_NAMED ? `, and ${known.length - MOST_NAMED} more` : '';
  return `${paths.join(', ') || 'no endpoints'}${more}; GET ${PROBED.join(', GET ')}`;
}

function probe(app: FastifyInstance, path: (typeof PROBED)[number], probes: Probes): void {
  app.get(path, async (_, reply) => {
    const { status, contentType, text } = await answerProbe(path, probes);
    return reply.code(status).type(contentType).send(text);
  });
}
