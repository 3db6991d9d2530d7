import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, parseAddress } from '../core/address.js';
import { OctavoError } from '../core/error.js';
import { httpTimeouts } from '../core/http-timeouts.js';
import { answerProbe, PROBED, type ProbeAnswer, type Probes } from '../core/probes.js';
import type { AdminOptions } from './server.js';

/** Bytes of a request's header. A probe sends little. */
const MOST_HEADER_BYTES = 8 * 1024;

/** A small HTTP listener with `/health`, `/ready` and `/metrics`, for transports that cannot show them. */
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
      void answer(request, probes).then(({ status, contentType, text }) => {
        // A body is not worth reading: its connection closes behind the answer.
        const close = hasBody(request) && { connection: 'close' };
        response.writeHead(status, { 'content-type': contentType, ...close });
        response.end(text);
      });
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

async function answer(request: IncomingMessage, probes: Probes): Promise<ProbeAnswer> {
  const { url, method } = request;
  if (hasBody(request)) return refused(413, 'too large');
  const asked = method === 'GET' || method === 'HEAD' ? url?.split('?')[0] : undefined;
  const path = PROBED.find((each) => each === asked);
  return path === undefined ? refused(404, 'not found') : answerProbe(path, probes);
}

function refused(status: number, why: string): ProbeAnswer {
  return { status, contentType: 'application/json', text: JSON.stringify({ status: why }) };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined;
}
