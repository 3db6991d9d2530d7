import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { parseAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { checkOf, type Certificates, type TlsPolicy } from '../../core/tls.js';
import { Dialler } from '../multiplexed/dialler.js';
import { DialledSocket } from './dialled.js';
import { BOUNDS, settingsOf } from './protocol.js';
import { lookEvery, Session, type SessionOptions } from './session.js';

export interface DiallerOptions extends SessionOptions {
  /** How many connections carry calls before any is full. */
  readonly connections: number;
}

/** A connection that is being opened, and what is under it. */
interface Opened {
  readonly http2: ClientHttp2Session;
  readonly tcp: TcpSocket;
}

/** Opens connections, and has many calls share them. */
export function newDialler(
  clock: Clock,
  options: DiallerOptions,
  certificates: Certificates | undefined,
): Dialler<Session, Opened> {
  return new Dialler<Session, Opened>({
    who: 'the grpc transport',
    clock,
    certificates,
    connections: options.connections,
    lookEveryMs: lookEvery(options),
    open: (address, secureContext, policy) => {
      const tcp = open(address, secureContext, policy);
      tcp.setNoDelay(true);
      const scheme = certificates === undefined ? 'http' : 'https';
      const host = address.startsWith(':') ? `localhost${address}` : address;
      const http2 = connectHttp2(`${scheme}://${host}`, {
        createConnection: () => tcp,
        settings: settingsOf({ ...options, maxStreams: 0 }),
        ...BOUNDS,
      });
      return { http2, tcp };
    },
    begin: ({ http2, tcp }, dialled, events) =>
      new Session(http2, { ...events, clock, options, tcp, dialled, refused: () => {} }),
    socket: (session) => new DialledSocket(session),
  });
}

/** Begins to open a TCP connection, and TLS on it where there are certificates. This is the one place where one is made. */
function open(address: string, secureContext?: SecureContext, policy?: TlsPolicy): TcpSocket {
  const { host: given, port } = parseAddress(address);
  const host = given === '' ? '127.0.0.1' : given;
  if (secureContext === undefined || policy === undefined) return connect({ host, port });
  return connectTls({ host, port, secureContext, ALPNProtocols: ['h2'], ...checkOf(host, policy) });
}
