import { memory as memoryBroker } from '../../src/broker/memory.js';
import type { Provider } from '../../src/core/provider.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { http, type HttpServerOptions } from '../../src/server/http.js';
import type { ServiceClass } from '../../src/schema/service-declaration.js';
import { createService } from '../../src/service/run.js';
import type { Service } from '../../src/service/service.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import type { Clock } from '../../src/core/clock.js';
import { Probe } from '../conformance/probe.js';

export interface Served<T> {
  readonly service: Service;
  readonly handlers: T;
  readonly address: string;
  readonly logs: TestLogger;
  stop(): Promise<void>;
}

/** A service that was started with an http server, and nothing else that a network sees. */
export async function serveHttp<T extends object = Probe>(
  options: HttpServerOptions = {},
  {
    type = Probe as unknown as ServiceClass<T>,
    clock,
  }: { readonly type?: ServiceClass<T>; readonly clock?: Provider<Clock> } = {},
): Promise<Served<T>> {
  const logs = new TestLogger();
  const service = createService({
    services: [type as unknown as new () => T],
    registry: memoryRegistry(),
    broker: memoryBroker(),
    transport: memoryTransport(),
    server: http({ lingerMs: 0, ...options }),
    logger: () => logs,
    ...(clock && { clock }),
    env: {},
  });
  await service.start();
  return {
    service,
    handlers: service.resolve(type),
    address: service.server.node?.address ?? '',
    logs,
    stop: () => service.stop(),
  };
}
