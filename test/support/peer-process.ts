import { ServerProcess } from './server-process.js';

/** Starts a service of the probe in a process of its own, at an address on a transport. */
export function startPeer(transport: string, server: string, address: string): Promise<ServerProcess> {
  return ServerProcess.spawn(
    process.execPath,
    [`dist/test/backends/peers/nats-peer.js`, address],
    { MICRO_TRANSPORT: transport, MICRO_TRANSPORT_ADDRESS: server, MICRO_LOG_LEVEL: 'error' },
    'serving',
  );
}
