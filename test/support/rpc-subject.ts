import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { Provider } from '../../src/core/provider.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import type { ServerOptions } from '../../src/server/server.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import type { Transport } from '../../src/transport/transport.js';
import { Probe, type CallProbe } from '../conformance/probe.js';
import type { ServerSubject } from '../conformance/server.js';
import { CODECS } from './codecs.js';

/** The probe service and a client of it, by the rpc server and client over a transport. */
export function rpcSubject(
  transport: Provider<Transport>,
  contentType: string,
  options: ServerOptions = {},
  probe: new () => CallProbe = Probe,
): ServerSubject {
  const logs = new TestLogger();
  const service = createService({
    services: [probe],
    transport,
    codecs: CODECS,
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: rpcClient({ contentType }),
    server: rpcServer(options),
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
    another: (more) => rpcSubject(transport, contentType, more, probe),
    logs,
    async nodes() {
      const found = await service.resolve(Registry).getService('probe');
      return found.flatMap(({ nodes }) => nodes).length;
    },
    start: () => service.start(),
    stop: () => service.stop(),
  };
}
