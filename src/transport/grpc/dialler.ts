import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { parseAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { checkOf, type Certificates, type TlsPolicy } from '../../core/tls.js';
import { tlsFault } from '../../core/tls-fault.js';
import type { DialOptions, Socket } from '../transport.js';
import { Line, type LineOptions, type Opened } from './line.js';
import { Rounds } from './rounds.js';
import { BOUNDS, settingsOf } from './protocol.js';

/** Opens connections, and has many calls share them. */
export class Dialler {
  readonly #clock: Clock;
  readonly #options: LineOptions;
  readonly #certificates: Certificates | undefined;
  readonly #lines = new Map<string, Line>();
  readonly #rounds: Rounds;

  constructor(clock: Clock, options: LineOptions, certificates: Certificates | undefined) {
    this.#clock = clock;
    this.#options = options;
    this.#certificates = certificates;
    this.#rounds = new Rounds(clock, options);
  }

  dial(address: string, options: DialOptions): MaybePromise<Socket> {
    const { cancellation } = options;
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    return (this.#lines.get(address) ?? this.#line(address)).dial(options);
  }

  /** Cuts what is open. */
  destroy(): void {
    for (const line of [...this.#lines.values()]) line.stop();
    this.#rounds.destroy(new OctavoError('unavailable', 'the grpc transport was stopped'));
    this.#lines.clear();
  }

  #line(address: string): Line {
    const line = new Line(address, this.#options, {
      clock: this.#clock,
      rounds: this.#rounds,
      connect: () => this.#connect(address),
      explain: (error) => (this.#certificates === undefined ? undefined : tlsFault(address, error)),
      onEmpty: () => {
        if (this.#lines.get(address) === line) this.#lines.delete(address);
      },
    });
    this.#lines.set(address, line);
    return line;
  }

  #connect(address: string): MaybePromise<Opened> {
    const certificates = this.#certificates;
    if (certificates === undefined) return this.#open(address, open(address));
    const context = certificates.forClient();
    const { policy } = certificates;
    return isPromise(context)
      ? context.then((it) => this.#open(address, open(address, it, policy)))
      : this.#open(address, open(address, context, policy));
  }

  #open(address: string, tcp: TcpSocket): Opened {
    const scheme = this.#certificates === undefined ? 'http' : 'https';
    const host = address.startsWith(':') ? `localhost${address}` : address;
    tcp.setNoDelay(true);
    const http2 = connectHttp2(`${scheme}://${host}`, {
      createConnection: () => tcp,
      settings: settingsOf({ ...this.#options, maxStreams: 0 }),
      ...BOUNDS,
    });
    return { http2, tcp };
  }
}

/** Begins to open a TCP connection, and TLS on it where there are certificates. This is the one place where one is made. */
function open(address: string, secureContext?: SecureContext, policy?: TlsPolicy): TcpSocket {
  const { host: given, port } = parseAddress(address);
  const host = given === '' ? '127.0.0.1' : given;
  if (secureContext === undefined || policy === undefined) return connect({ host, port });
  return connectTls({ host, port, secureContext, ALPNProtocols: ['h2'], ...checkOf(host, policy) });
}
