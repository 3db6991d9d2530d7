import { fastify } from 'fastify';
import { SystemClock } from '../../src/core/system-clock.js';
import { declarationOf, type ServiceClass } from '../../src/schema/service-declaration.js';
import { Dispatcher } from '../../src/server/dispatcher.js';
import { mountRest } from '../../src/server/http/rest.js';
import { handlersOf } from '../../src/service/handlers.js';
import { TestLogger } from '../../src/testing/test-logger.js';

/** A web server with the REST routes of a service, and nothing else. */
export interface RestBench {
  readonly url: string;
  readonly dispatcher: Dispatcher;
  stop(): Promise<void>;
}

export function restDispatcher(type: ServiceClass, instance: object): Dispatcher {
  const limits = { requestTimeoutMs: 5_000, maxInFlight: 100, maxStreams: 100 };
  const parts = { service: 'test', clock: new SystemClock(), logger: new TestLogger(), limits };
  const dispatcher = new Dispatcher(parts, []);
  const resolve = (): never => {
    throw new Error('nothing is injected here');
  };
  for (const endpoint of handlersOf(declarationOf(type), instance, resolve).endpoints)
    dispatcher.add(endpoint);
  return dispatcher;
}

export async function restBench(type: ServiceClass, instance: object): Promise<RestBench> {
  const dispatcher = restDispatcher(type, instance);
  const app = fastify({ forceCloseConnections: true, routerOptions: { maxParamLength: 4_096 } });
  mountRest(app, {
    document: { name: 'test', version: '1' },
    dispatcher,
    clock: new SystemClock(),
    maxMessageBytes: 10_000,
    peerOf: ({ ip }) => ({ address: ip, octavo: false }),
    strange: () => {},
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { url, dispatcher, stop: () => app.close() };
}
