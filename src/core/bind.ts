import type { Server } from 'node:net';
import type { HostPort } from './address.js';
import { OctavoError } from './error.js';
import type { Refusals } from './refusals.js';

/** Has a server listen, on every interface where the host is empty. Rejects with `unavailable` that names the address, as it was given, when it is in use. */
export function bind(server: Server, { host, port }: HostPort, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const what =
        cause.code === 'EADDRINUSE'
          ? `the address ${address} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`
          : `cannot listen on ${address}: ${cause.message}`;
      reject(new OctavoError('unavailable', what, { cause }));
    };
    server.once('error', fail);
    server.listen({ port, ...(host !== '' && { host }) }, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

/** Has a server hold so many connections and close what is more, which the log is told. */
export function limitConnections(server: Server, maxConnections: number, refusals: Refusals): void {
  server.maxConnections = maxConnections;
  server.on('drop', (dropped) =>
    refusals.note(
      dropped?.remoteAddress ?? '',
      new OctavoError('resource_exhausted', `${maxConnections} connections are open (maxConnections)`),
    ),
  );
}
