import type { Socket as TcpSocket } from 'node:net';
import { createServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { formatAddress } from './address.js';
import type { Clock, Timer } from './clock.js';
import { OctavoError } from './error.js';
import { isPromise } from './lifecycle.js';
import { clientOf, type Certificates, type Credentials, type PeerCertificate } from './tls.js';
import { refusedHandshake } from './tls-fault.js';

/** The first byte of every TLS handshake. */
const HANDSHAKE = 0x16;
/** Longer than any timer of Node's: the time that counts is kept here. */
const NEVER_MS = 2 ** 31 - 1;

/** A TLS connection whose handshake was done. */
export interface Secured {
  /** What is under TLS. */
  readonly tcp: TcpSocket;
  /** What the other end has shown, and was checked. */
  readonly certificate?: PeerCertificate | undefined;
}

export interface HandshakesParts {
  readonly certificates: Certificates;
  readonly clock: Clock;
  /** What is spoken over TLS, as ALPN has it. @defaultValue nothing is said of that */
  readonly protocols?: string[];
  /** For how long one may take, in milliseconds; `0` is for ever. */
  readonly timeoutMs: number;
  /** A handshake has succeeded; `unwelcome` says why its caller gets nothing else. */
  readonly secured: (tls: TLSSocket, secured: Secured, unwelcome: OctavoError | undefined) => void;
  /** Somebody speaks without TLS. */
  readonly plain: (tcp: TcpSocket) => void;
  readonly refused: (remote: string, error: OctavoError) => void;
}

interface UnderWay {
  readonly tcp: TcpSocket;
  readonly timer: Timer | undefined;
}

/** Brings the TCP connections of one listener to TLS. */
export class Handshakes {
  readonly #parts: HandshakesParts;
  readonly #server: TlsServer;
  /** By the address at the other end. */
  readonly #underWay = new Map<string, UnderWay>();
  #inUse: Credentials | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(parts: HandshakesParts) {
    this.#parts = parts;
    const { certificates, protocols } = parts;
    const { clientAuth } = certificates.policy;
    this.#server = createServer({
      requestCert: clientAuth !== 'none',
      // Who lacks a certificate is told so in words: an alert of TLS has none, and may lose the race against the end of its connection.
      rejectUnauthorized: false,
      ...(protocols !== undefined && { ALPNProtocols: protocols }),
      handshakeTimeout: NEVER_MS,
    });
    this.#server.on('secureConnection', (tls) => this.#succeeded(tls));
    this.#server.on('tlsClientError', (error, tls) => this.#failed(error, tls));
  }

  /** Takes in a connection that was just accepted. */
  take(tcp: TcpSocket): void {
    const { clock, timeoutMs, refused } = this.#parts;
    const remote = remoteOf(tcp);
    const late = (): void => {
      const what = `no TLS handshake was done within ${timeoutMs} ms (headerTimeoutMs)`;
      refused(remote, new OctavoError('deadline_exceeded', what));
      tcp.destroy();
    };
    const timer = timeoutMs === 0 ? undefined : clock.after(timeoutMs, late, { background: true });
    const underWay: UnderWay = { tcp, timer };
    this.#underWay.set(remote, underWay);
    // Who breaks off before anything was said is no news.
    tcp.on('error', () => {});
    tcp.once('close', () => this.#over(remote, underWay));
    tcp.once('readable', () => this.#begin(remote, underWay));
  }

  /**
   * Resolves when those under way are done, and what came of them is closed: a caller may be ahead, and have sent its request. `undefined`
   * where there is none.
   */
  close(): Promise<void> | undefined {
    if (this.#underWay.size === 0) return undefined;
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }

  destroy(): void {
    for (const { tcp } of this.#underWay.values()) tcp.destroy();
  }

  #begin(remote: string, underWay: UnderWay): void {
    const { certificates, plain } = this.#parts;
    const { tcp } = underWay;
    // A socket gives bytes, unless it was told otherwise.
    const first = tcp.read() as Buffer | null;
    if (first === null) return void tcp.destroy();
    tcp.unshift(first);
    if (first[0] !== HANDSHAKE) {
      this.#over(remote, underWay);
      return plain(tcp);
    }
    const credentials = certificates.forServer();
    if (isPromise(credentials)) void credentials.then((them) => this.#secure(tcp, them));
    else this.#secure(tcp, credentials);
  }

  #secure(tcp: TcpSocket, credentials: Credentials): void {
    if (tcp.destroyed) return;
    if (this.#inUse !== credentials) this.#server.setSecureContext(credentials);
    this.#inUse = credentials;
    // Half open, an end that leaves in the middle would not be noticed.
    tcp.allowHalfOpen = false;
    this.#server.emit('connection', tcp);
  }

  #succeeded(tls: TLSSocket): void {
    const { certificates, secured, refused } = this.#parts;
    const remote = remoteOf(tls);
    const underWay = this.#underWay.get(remote);
    if (underWay === undefined) return void tls.destroy();
    underWay.timer?.cancel();
    if (this.#onEmpty === undefined) this.#over(remote, underWay);
    tls.allowHalfOpen = true;
    const client = clientOf(tls, certificates.policy);
    const unwelcome = client instanceof OctavoError ? client : undefined;
    const certificate = client instanceof OctavoError ? undefined : client;
    secured(tls, { tcp: underWay.tcp, certificate }, unwelcome);
    if (unwelcome !== undefined) refused(remote, unwelcome);
  }

  #failed(error: NodeJS.ErrnoException, tls: TLSSocket): void {
    const refusal = refusedHandshake(error);
    if (refusal !== undefined) this.#parts.refused(remoteOf(tls), refusal);
  }

  #over(remote: string, underWay: UnderWay): void {
    underWay.timer?.cancel();
    // A port may have been used again, by the same host.
    if (this.#underWay.get(remote) === underWay) this.#underWay.delete(remote);
    if (this.#underWay.size === 0) this.#onEmpty?.();
  }
}

function remoteOf({ remoteAddress = '', remotePort = 0 }: TcpSocket): string {
  return formatAddress(remoteAddress, remotePort);
}
