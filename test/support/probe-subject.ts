import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import type { ServerOptions } from '../../src/server/server.js';
import { createService } from '../../src/service/run.js';
import type { Service, StackOptions } from '../../src/service/service.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { Probe, type CallProbe } from '../conformance/probe.js';
import type { ServerSubject } from '../conformance/server.js';
import { CODECS } from './codecs.js';

/** How a probe service is called. */
export interface ProbeWire extends Partial<Pick<StackOptions, 'client' | 'server' | 'transport'>> {
  readonly probe?: new () => CallProbe;
  /** The same with other options of its server. */
  readonly another: (more: ServerOptions) => ServerSubject;
  /** Whether the client stops first: a server that does gives its callers a second to close their connections. */
  readonly clientFirst?: boolean;
}

/** The probe service and a client of it, in a world of their own. */
export function probeSubject({ another, clientFirst, probe = Probe, ...wire }: ProbeWire): ServerSubject {
  const logs = new TestLogger();
  const service: Service = createService({
    services: [probe],
    codecs: CODECS,
    registry: memoryRegistry(),
    broker: memoryBroker(),
    transport: memoryTransport(),
    ...wire,
    logger: () => logs,
    env: {},
  });
  return {
    get client() {
      return service.client;
    },
    get server() {
      return service.server;
    },
    get probe() {
      return service.resolve(probe);
    },
    get address() {
      return service.server.node?.address ?? '';
    },
    // Port 1 is privileged and belongs to nobody.
    nobody: '127.0.0.1:1',
    another,
    logs,
    async nodes() {
      const found = await service.resolve(Registry).getService('probe');
      return found.flatMap(({ nodes }) => nodes).length;
    },
    start: () => service.start(),
    async stop() {
      if (clientFirst === true) await service.client.stop();
      await service.stop();
    },
  };
}
