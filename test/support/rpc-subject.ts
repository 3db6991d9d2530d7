import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { Provider } from '../../src/core/provider.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import type { ServerOptions } from '../../src/server/server.js';
import type { Transport } from '../../src/transport/transport.js';
import { Probe, type CallProbe } from '../conformance/probe.js';
import type { ServerSubject } from '../conformance/server.js';
import { probeSubject } from './probe-subject.js';

/** The probe service and a client of it, by the rpc server and client over a transport. */
export function rpcSubject(
  transport: Provider<Transport>,
  contentType: string,
  options: ServerOptions = {},
  probe: new () => CallProbe = Probe,
): ServerSubject {
  return probeSubject({
    transport,
    probe,
    client: rpcClient({ contentType }),
    server: rpcServer(options),
    another: (more) => rpcSubject(transport, contentType, more, probe),
  });
}
