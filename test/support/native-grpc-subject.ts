import { memory as memoryBroker } from '../../src/broker/memory.js';
import { grpc as grpcClient, type GrpcClientOptions } from '../../src/client/grpc.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { grpc as grpcServer, type GrpcServerOptions } from '../../src/server/grpc.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { Probe } from '../conformance/probe.js';
import type { ServerSubject } from '../conformance/server.js';
import { CODECS } from './codecs.js';

/** The probe service and a client of it, by the grpc server and client. */
export function nativeGrpcSubject(client: GrpcClientOptions, server: GrpcServerOptions = {}): ServerSubject {
  const logs = new TestLogger();
  const service = createService({
    services: [Probe],
    transport: memoryTransport(),
    codecs: CODECS,
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: grpcClient(client),
    server: grpcServer(server),
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
      return service.resolve(Probe);
    },
    get address() {
      return service.server.node?.address ?? '';
    },
    // Port 1 is privileged and belongs to nobody.
    nobody: '127.0.0.1:1',
    another: (more) => nativeGrpcSubject(client, { ...server, ...more }),
    logs,
    async nodes() {
      const found = await service.resolve(Registry).getService('probe');
      return found.flatMap(({ nodes }) => nodes).length;
    },
    start: () => service.start(),
    async stop() {
      // A server that stops first gives its callers a second to close their connections.
      await service.client.stop();
      await service.stop();
    },
  };
}
