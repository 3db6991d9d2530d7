import type { FastifyInstance } from 'fastify';
import { defined } from '../core/defined.js';
import { noteExposure } from '../core/exposure.js';
import type { Provider } from '../core/provider.js';
import { Refusals } from '../core/refusals.js';
import { Certificates, type Tls } from '../core/tls.js';
import type { Probes } from '../core/probes.js';
import { MESSAGE_LIMITS, type MessageLimits } from '../transport/transport.js';
import {
  DispatchingServer,
  dispatchingParts,
  type DispatchingServerParts,
  type Entrance,
} from './dispatching-server.js';
import { Callers } from './http/callers.js';
import { Calls } from './http/calls.js';
import type { CorsOptions } from './http/cors.js';
import type { HttpLimits } from './http/limits.js';
import { openSite } from './http/site.js';
import { ServerDefaults } from './server-defaults.js';
import type { Server, ServerOptions } from './server.js';

export type { CorsOptions };

export interface HttpServerOptions extends ServerOptions, MessageLimits {
  /** Mounts routes of your own on the same port, beside the endpoints, `/health` and `/ready`. */
  readonly routes?: (app: FastifyInstance) => void | Promise<void>;
  /** Whether `/openapi.json` describes the endpoints and their REST routes. @defaultValue `true` */
  readonly openapi?: boolean;
  /** Which pages of other origins may call. @defaultValue none */
  readonly cors?: CorsOptions;
  /** Speaks TLS, and nothing else, with everybody: `{ cert, key }`. @defaultValue plain text */
  readonly tls?: Tls;
  /** For how long the body of a call may take to arrive, and a caller to take what waits for it, in milliseconds; `0` is for ever. @defaultValue `60_000` */
  readonly timeoutMs?: number;
  /** For how long a header may take to arrive, and a new connection to begin one, in milliseconds; `0` is for ever. @defaultValue `10_000` */
  readonly headerTimeoutMs?: number;
  /** For how long a connection on which nothing happens is kept, in milliseconds; `0` is for ever. @defaultValue `120_000` */
  readonly idleMs?: number;
  /** How many connections are open at once; more are closed as they come. @defaultValue `10_000` */
  readonly maxConnections?: number;
  /** From how many bytes on a message is packed for a caller that reads gzip. @defaultValue `1_024` */
  readonly compressMinBytes?: number;
}

const DEFAULTS = {
  ...MESSAGE_LIMITS,
  timeoutMs: 60_000,
  headerTimeoutMs: 10_000,
  idleMs: 120_000,
  maxConnections: 10_000,
  compressMinBytes: 1_024,
};

/**
 * Serves every endpoint by HTTP, so that browsers and `curl` call it with nothing in between: `POST /greeter.Greeter/Hello` in the Connect
 * protocol and in gRPC-Web, over HTTP/1.1 and HTTP/2 on one port.
 */
export class HttpServer extends DispatchingServer {
  readonly name = 'http';
  protected readonly facts = { server: 'http', protocol: 'http', transport: 'http' };
  readonly #parts: DispatchingServerParts;
  readonly #http: Pick<HttpServerOptions, 'routes' | 'cors' | 'openapi'>;
  readonly #limits: HttpLimits;
  readonly #refusals: Refusals;
  readonly #certificates: Certificates | undefined;
  #calls: Calls | undefined;

  constructor(
    { routes, cors, tls, openapi = true, ...options }: HttpServerOptions,
    parts: DispatchingServerParts,
  ) {
    super(options, parts);
    this.#parts = parts;
    this.#http = { openapi, ...(routes && { routes }), ...(cors && { cors }) };
    this.#limits = { ...DEFAULTS, ...this.options };
    this.#refusals = new Refusals(parts.clock, parts.logger);
    this.#certificates = tls && new Certificates('the http server', tls, parts);
  }

  protected override get foreign(): boolean {
    return this.#calls?.foreign === true;
  }

  protected async enter(address: string, probes: Probes): Promise<Entrance> {
    const { codecs, clock, logger, identity } = this.#parts;
    const { dispatcher } = this;
    const callers = new Callers();
    const calls = new Calls({ dispatcher, codecs, clock, limits: this.#limits, callers });
    this.#calls = calls;
    const site = await openSite(address, {
      ...this.#http,
      service: this.service,
      version: this.options.version ?? identity.version,
      dispatcher,
      calls,
      callers,
      probes,
      clock,
      limits: this.#limits,
      refusals: this.#refusals,
      certificates: this.#certificates,
    });
    if (site.secure !== true) noteExposure('the http server', site.address, logger);
    return site;
  }
}

/** Serves endpoints by HTTP: the Connect protocol and gRPC-Web. */
export function http(options: HttpServerOptions = {}): Provider<Server> {
  return (resolve) =>
    new HttpServer({ ...resolve(ServerDefaults).options, ...defined(options) }, dispatchingParts(resolve));
}
