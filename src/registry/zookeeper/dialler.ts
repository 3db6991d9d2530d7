import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import { Certificates, checkOf, type CertificatesParts, type DialTls } from '../../core/tls.js';
import { tlsFault } from '../../core/tls-fault.js';
import type { Server } from './address.js';
import { Frames } from './frames.js';

/** The part of the library's client that its types do not show. Source: node-zookeeper-client 1.1.3, `lib/ConnectionManager.js`. */
export interface Inside {
  socket?: Socket | undefined;
  /** What came of an answer that is not whole yet. */
  pendingBuffer: Buffer | null;
  servers: { readonly host: string; readonly port: number }[];
  connect(): void;
  setState(state: number): void;
  findNextServer(found: (server: Server) => void): void;
  onSocketConnected(): void;
  onSocketData(data: Buffer): void;
  onSocketDrain(): void;
  onSocketClosed(hadError: boolean): void;
  onSocketError(error: Error): void;
}

/** The library's state of a client that has no session yet. */
const CONNECTING = 1;

/** How clients reach a server. The library's own way knows no TLS, and does not say why nobody was reached. */
export class Dialler {
  readonly #certificates: Certificates | undefined;
  #failure: string | undefined;

  /** @param tls certificates; plain TCP without it */
  constructor(tls: DialTls | undefined, parts: CertificatesParts) {
    this.#certificates = tls && new Certificates('the zookeeper registry', tls, parts);
  }

  /** Why the last attempt came to nothing, where it did. */
  get failure(): string | undefined {
    return this.#failure;
  }

  async start(): Promise<void> {
    await this.#certificates?.start();
  }

  stop(): void {
    this.#failure = undefined;
    this.#certificates?.stop();
  }

  /** Has a client dial this way. */
  serve(client: Inside): void {
    client.connect = () => {
      client.setState(CONNECTING);
      client.findNextServer((server) => void this.#open(client, server));
    };
  }

  async #open(client: Inside, server: Server): Promise<void> {
    let socket: Socket;
    try {
      socket = await this.#dial(server);
    } catch (reason) {
      // Certificates that are gone: nothing is dialled before the next start.
      return this.#failed(server, reason as Error);
    }
    // One that was given up meanwhile burns it.
    client.socket = socket;
    // The library keeps the half of an answer that the connection before it broke off.
    client.pendingBuffer = null;
    const frames = new Frames();
    socket.setNoDelay();
    socket.once(this.#certificates === undefined ? 'connect' : 'secureConnect', () => {
      this.#failure = undefined;
      client.onSocketConnected();
    });
    socket.on('data', (data: Buffer) => {
      try {
        if (frames.pass(data)) return client.onSocketData(data);
        this.#failure = `${server.shown} does not speak as ZooKeeper does`;
      } catch (error) {
        this.#failure = `${server.shown} does not speak as ZooKeeper does: ${String(error)}`;
      }
      socket.destroy();
    });
    socket.on('drain', () => client.onSocketDrain());
    socket.on('close', (hadError: boolean) => client.onSocketClosed(hadError));
    socket.on('error', (error) => {
      this.#failed(server, error);
      client.onSocketError(error);
    });
  }

  async #dial({ host, port }: Server): Promise<Socket> {
    const certificates = this.#certificates;
    if (certificates === undefined) return connectPlain({ host, port });
    const secureContext = await certificates.forClient();
    return connectSecure({ host, port, ...checkOf(host, certificates.policy), secureContext });
  }

  #failed({ shown }: Server, error: NodeJS.ErrnoException): void {
    const what = error.code === 'ECONNREFUSED' ? 'connection refused' : error.message;
    this.#failure = tlsFault(shown, error) ?? what;
  }
}
