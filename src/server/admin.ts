import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, parseAddress } from '../core/address.js';
import { OctavoError } from '../core/error.js';
import { httpTimeouts } from '../core/http-timeouts.js';
import type { Probes } from '../transport/transport.js';
import type { AdminOptions } from './server.js';

/** Bytes of a request's header. A probe sends little. */
const MOST_HEADER_BYTES = 8 * 1024;

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
  static async open(options: AdminOptions, probes: Probes): Promise<AdminListener> {
    const { address, timeoutMs = 5_000, maxConnections = 128 } = options;
    const { host, port } = parseAddress(address);
    const limits = {
      ...httpTimeouts(timeoutMs),
      keepAliveTimeout: timeoutMs,
      maxHeaderSize: MOST_HEADER_BYTES,
    };
    const server = createServer(limits, (request, response) => {
      const [status, text] = answer(request, probes);
      // A body is not worth reading: its connection closes behind the answer.
      const close = hasBody(request) && { connection: 'close' };
      response.writeHead(status, { 'content-type': 'application/json', ...close });
      response.end(JSON.stringify({ status: text }));
    });
    server.maxConnections = maxConnections;
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
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

function answer(request: IncomingMessage, probes: Probes): readonly [status: number, text: string] {
  const { url, method } = request;
  if (hasBody(request)) return [413, 'too large'];
  const asked = method === 'GET' || method === 'HEAD' ? url?.split('?')[0] : undefined;
  const fine = asked === '/health' ? probes.healthy() : asked === '/ready' ? probes.ready() : undefined;
  if (fine === undefined) return [404, 'not found'];
  return fine ? [200, 'ok'] : [503, 'unavailable'];
}

function hasBody({ headers }: IncomingMessage): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined;
}
