import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { parseAddress } from '../address.js';
import type { Clock } from '../clock.js';
import { Dialler } from '../multiplexed/dialler.js';
import { checkOf, type Certificates, type TlsPolicy } from '../tls.js';
import { lookEvery, Session, type SessionOptions } from './session.js';
import { boundsOf, settingsOf, type Taken } from './settings.js';

export interface Http2DiallerOptions extends SessionOptions, Taken {
  /** How many connections to one address carry calls before any is full. */
  readonly connections: number;
}

/** What the connections of HTTP/2 that one end dials are made with; `S` is a call or stream on one. */
export interface Http2DiallerParts<S> {
  /** What errors call their owner: `the grpc transport`. */
  readonly who: string;
  readonly clock: Clock;
  readonly options: Http2DiallerOptions;
  /** Those that TLS is spoken with, where it is. */
  readonly certificates: Certificates | undefined;
  /** A call or stream on a connection that has room. It is in {@link Session.unsent} until it opens a stream by {@link Session.request}. */
  readonly socket: (session: Session) => S;
}

/** A connection that is being opened, and what is under it. */
interface Opened {
  readonly http2: ClientHttp2Session;
  readonly tcp: TcpSocket;
}

/** Opens connections of HTTP/2, and has many calls share them. */
export type Http2Dialler<S> = Dialler<Session, Opened, S>;

/** A dialler of connections that speak HTTP/2 at once, over TLS where there are certificates. */
export function http2Dialler<S>({
  who,
  clock,
  options,
  certificates,
  socket,
}: Http2DiallerParts<S>): Http2Dialler<S> {
  return new Dialler<Session, Opened, S>({
    who,
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
        ...boundsOf(options),
      });
      return { http2, tcp };
    },
    begin: ({ http2, tcp }, dialled, events) =>
      new Session(http2, { ...events, clock, options, tcp, dialled, refused: () => {} }),
    socket,
  });
}

/** Begins to open a TCP connection, and TLS on it where there are certificates. This is the one place where one is made. */
function open(address: string, secureContext?: SecureContext, policy?: TlsPolicy): TcpSocket {
  const { host: given, port } = parseAddress(address);
  const host = given === '' ? '127.0.0.1' : given;
  if (secureContext === undefined || policy === undefined) return connect({ host, port });
  return connectTls({ host, port, secureContext, ALPNProtocols: ['h2'], ...checkOf(host, policy) });
}
