import { memory as memoryBroker } from '../../src/broker/memory.js';
import { http as httpClient, type HttpClientOptions } from '../../src/client/http.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { http as httpServer, type HttpServerOptions } from '../../src/server/http.js';
import { rpc } from '../../src/server/rpc.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import type { CallSubject } from '../conformance/client.js';
import { Probe } from '../conformance/probe.js';
import type { ServerSubject } from '../conformance/server.js';
import { ConnectServer } from './connect-server.js';
import { probeSubject } from './probe-subject.js';

/**
 * The http client, and the probe service behind a real server of Connect-ES. The service has an rpc server too, which gets its events, and
 * which the client may not pick.
 */
export function connectSubject(options: HttpClientOptions, version: '1.1' | '2'): CallSubject {
  const service = createService({
    services: [Probe],
    transport: memoryTransport(),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: httpClient(options),
    server: rpc(),
    logger: () => new TestLogger(),
    env: {},
  });
  let peer: ConnectServer | undefined;
  return {
    get client() {
      return service.client;
    },
    get probe() {
      return service.resolve(Probe);
    },
    get address() {
      return peer?.address ?? '';
    },
    // Port 1 is privileged and belongs to nobody.
    nobody: '127.0.0.1:1',
    async start() {
      await service.start();
      // Calls without a contract name the service's package as go-micro does.
      peer = await ConnectServer.start(Probe, () => service.resolve(Probe), version, [
        'conformance',
        'probe',
      ]);
      const node = { id: 'connect', address: peer.address, metadata: { protocol: 'http' } };
      await service
        .resolve(Registry)
        .register({ name: 'probe', version: '1.0.0', metadata: {}, endpoints: [], nodes: [node] });
    },
    async stop() {
      await service.stop();
      await peer?.stop();
    },
  };
}

/** The probe service and a client of it, by the http server and client. */
export function httpSubject(client: HttpClientOptions = {}, server: HttpServerOptions = {}): ServerSubject {
  return probeSubject({
    client: httpClient(client),
    server: httpServer(server),
    another: (more) => httpSubject(client, { ...server, ...more }),
  });
}
