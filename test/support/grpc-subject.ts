import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { grpc, type GrpcServerOptions } from '../../src/server/grpc.js';
import type { Server } from '../../src/server/server.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { Probe } from '../conformance/probe.js';
import type { ServerSubject } from '../conformance/server.js';
import { grpcTestClient } from './grpc-client.js';

/** The probe service by the grpc server, and a client that is not Octavo's. */
export function grpcSubject(options: GrpcServerOptions = {}): ServerSubject {
  const logs = new TestLogger();
  const address = (): string => service.server.node?.address ?? '127.0.0.1:1';
  const service = createService({
    services: [Probe],
    transport: memoryTransport(),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: grpcTestClient(address),
    server: grpc(options),
    logger: () => logs,
    env: {},
  });
  return {
    get client() {
      return service.client;
    },
    get server(): Server {
      return service.server;
    },
    get probe() {
      return service.resolve(Probe);
    },
    get address() {
      return address();
    },
    // Port 1 is privileged and belongs to nobody.
    nobody: '127.0.0.1:1',
    another: (more) => grpcSubject(more),
    logs,
    async nodes() {
      const found = await service.resolve(Registry).getService('probe');
      return found.flatMap(({ nodes }) => nodes).length;
    },
    start: () => service.start(),
    stop: () => service.stop(),
  };
}
