import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../../core/clock.js';
import type { Peer } from '../../core/context.js';
import type { Refusals } from '../../core/refusals.js';
import type { Certificates } from '../../core/tls.js';
import type { Entrance } from '../dispatching-server.js';
import { peerOf } from './exchange.js';
import type { Callers } from './callers.js';
import { allowOrigins, type CorsOptions } from './cors.js';
import type { HttpLimits } from './limits.js';
import { Port } from './port.js';
import { mountRest } from './rest.js';
import { mountCalls, mountOthers, type RoutesParts } from './routes.js';
import { newWeb } from './web.js';

export interface SiteParts extends Omit<RoutesParts, 'hooked'> {
  readonly version: string;
  readonly openapi?: boolean;
  readonly routes?: (app: FastifyInstance) => void | Promise<void>;
  readonly cors?: CorsOptions;
  readonly callers: Callers;
  readonly certificates: Certificates | undefined;
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly refusals: Refusals;
}

/** Opens a port, and everything that is found there. */
export async function openSite(address: string, parts: SiteParts): Promise<Entrance> {
  const { limits, refusals, certificates } = parts;
  const web = await newWeb(limits, refusals);
  try {
    await certificates?.start();
    await certificates?.forServer();
    await mount(web.app, parts);
    await web.app.ready();
    const port = await Port.open(address, { ...parts, web });
    return {
      address: port.address,
      secure: port.secure,
      accepted: () => port.connections,
      drain: () => port.drain(),
      async close() {
        await port.close();
        await leave();
      },
    };
  } catch (reason) {
    await leave();
    throw reason;
  }

  async function leave(): Promise<void> {
    await web.app.close();
    web.http1.close();
    certificates?.stop();
  }
}

/** Everything that is found at the port, in the order in which hooks see it: whatever else there is to be goes here. */
async function mount(app: FastifyInstance, parts: SiteParts): Promise<void> {
  const { cors, routes, calls, callers, certificates, dispatcher, clock, limits } = parts;
  // Only who is asked for a certificate, or speaks without TLS where that is wanted, is ever unwelcome.
  if (certificates !== undefined)
    app.addHook('onRequest', (request, reply, done) => {
      const { unwelcome } = callers.of(request.raw);
      if (unwelcome === undefined) done();
      else calls.refuse(calls.exchange(request.raw, reply.hijack().raw, {}), unwelcome);
    });
  if (cors !== undefined) await allowOrigins(app, cors);
  const all = { ...parts, hooked: cors !== undefined || routes !== undefined };
  mountCalls(app, all);
  const { service: name, version, openapi = true } = parts;
  const { maxMessageBytes } = limits;
  const document = openapi ? { name, version } : undefined;
  const callerOf = ({ raw }: FastifyRequest): Peer => peerOf(raw, callers.of(raw));
  const strange = (): void => calls.strange();
  mountRest(app, { document, dispatcher, clock, maxMessageBytes, peerOf: callerOf, strange });
  await routes?.(app);
  await mountOthers(app, all);
}
