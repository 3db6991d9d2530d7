import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, parseAddress } from '../core/address.js';
import { OctavoError } from '../core/error.js';
import type { Probes } from '../transport/transport.js';

/** A small HTTP listener with `/health` and `/ready`, for transports that cannot show them. */
export class AdminListener {
  readonly address: string;
  readonly #server: HttpServer;

  private constructor(server: HttpServer) {
    this.#server = server;
    // A TCP server that listens has an address with a port.
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress(address, port);
  }

  /** Opens it. Rejects with `unavailable`, naming the address, when it is taken. */
  static async open(address: string, probes: Probes): Promise<AdminListener> {
    const { host, port } = parseAddress(address);
    const server = createServer(({ url, method }, response) => {
      const asked = method === 'GET' || method === 'HEAD' ? url?.split('?')[0] : undefined;
      const fine = asked === '/health' ? probes.healthy() : asked === '/ready' ? probes.ready() : undefined;
      response.writeHead(fine === undefined ? 404 : fine ? 200 : 503, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ status: fine === undefined ? 'not found' : fine ? 'ok' : 'unavailable' }),
      );
    });
    server.requestTimeout = 5_000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          new OctavoError('unavailable', `the admin listener cannot use ${address}: ${cause.message}`, {
            cause,
          }),
        ),
      );
      server.listen({ port, ...(host !== '' && { host }) }, resolve);
    });
    return new AdminListener(server);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
