import { memory as memoryBroker } from '../../../src/broker/memory.js';
import { grpc as grpcClient, type GrpcClientOptions } from '../../../src/client/grpc.js';
import { memory as memoryRegistry } from '../../../src/registry/memory.js';
import { grpc as grpcServer, type GrpcServerOptions } from '../../../src/server/grpc.js';
import { createService, type ServiceOptions } from '../../../src/service/run.js';
import type { Service } from '../../../src/service/service.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { memory } from '../../../src/transport/memory.js';
import { TestServer } from './server.js';

const ALONE = (): ServiceOptions => ({
  transport: memory(),
  registry: memoryRegistry(),
  broker: memoryBroker(),
  logger: () => new TestLogger(),
  env: {},
});

/** A service that serves nobody, and whose client speaks gRPC. */
export function octavo(client: GrpcClientOptions = {}, more: ServiceOptions = {}): Service {
  return createService({ ...ALONE(), client: grpcClient(client), ...more });
}

/** The interop service, or another, on a gRPC server. */
export function served(server: GrpcServerOptions = {}, more: ServiceOptions = {}): Service {
  return octavo({}, { services: [TestServer], server: grpcServer(server), ...more });
}

/** Where a service is. */
export function addressOf({ server }: Service): string {
  return server.node?.address ?? '';
}
