import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { OctavoError } from '../../core/error.js';
import { httpTimeouts } from '../../core/http-timeouts.js';
import { isPromise } from '../../core/lifecycle.js';
import type { Certificates, Credentials } from '../../core/tls.js';
import { refusedHandshake } from '../../core/tls-fault.js';

/** For how long a connection is kept for the next post, in milliseconds: fastify's own default, which it does not set on servers of others. */
const KEEP_ALIVE_MS = 72_000;

export interface SecureServersParts {
  readonly certificates: Certificates;
  /** For how long a handshake, and then a request, may take to arrive, in milliseconds. */
  readonly timeoutMs: number;
  readonly refused: (host: string, error: OctavoError) => void;
}

/** Makes HTTPS servers, and sees to it that they show the certificate that is in use. */
export class SecureServers {
  readonly #parts: SecureServersParts;
  /** Those whose handshake is under way, too, of which an HTTP server knows nothing. */
  readonly #sockets = new Set<Socket>();
  #inUse: Credentials;

  private constructor(parts: SecureServersParts, inUse: Credentials) {
    this.#parts = parts;
    this.#inUse = inUse;
  }

  static async make(parts: SecureServersParts): Promise<SecureServers> {
    return new SecureServers(parts, await parts.certificates.forServer());
  }

  serve(handler: RequestListener): Server {
    const { certificates, timeoutMs, refused } = this.#parts;
    const server = createServer(
      {
        ...this.#inUse,
        ...httpTimeouts(timeoutMs),
        keepAliveTimeout: KEEP_ALIVE_MS,
        handshakeTimeout: timeoutMs,
        requestCert: certificates.policy.clientAuth !== 'none',
        // Who lacks a certificate is told so by an answer.
        rejectUnauthorized: false,
      },
      handler,
    );
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      const now = certificates.forServer();
      if (isPromise(now)) void now.then((credentials) => this.#use(server, credentials));
      else this.#use(server, now);
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, { remoteAddress = '' }) => {
      const refusal = refusedHandshake(error);
      if (refusal !== undefined) refused(remoteAddress, refusal);
    });
    return server;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Shows another certificate to those who come from now on. */
  #use(server: Server, credentials: Credentials): void {
    if (credentials === this.#inUse) return;
    this.#inUse = credentials;
    server.setSecureContext(credentials);
  }
}
