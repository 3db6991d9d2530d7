import { memory as memoryBroker } from '../../../src/broker/memory.js';
import { grpc as grpcClient, type GrpcClientOptions } from '../../../src/client/grpc.js';
import { memory as memoryRegistry } from '../../../src/registry/memory.js';
import { createService, type ServiceOptions } from '../../../src/service/run.js';
import type { Service } from '../../../src/service/service.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { memory } from '../../../src/transport/memory.js';

/** A service whose client speaks gRPC, and which serves nothing unless it is told to. */
export function octavo(client: GrpcClientOptions = {}, more: ServiceOptions = {}): Service {
  return createService({
    transport: memory(),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: grpcClient(client),
    logger: () => new TestLogger(),
    env: {},
    ...more,
  });
}
