import { connect, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { parseAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { Dialler } from '../../core/multiplexed/dialler.js';
import { checkOf, type Certificates, type TlsPolicy } from '../../core/tls.js';
import type { Socket } from '../transport.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { lookEvery } from './vigil.js';

export interface DiallerOptions extends ConnectionOptions {
  /** How many connections carry calls before any is full. */
  readonly connections: number;
}

/** Opens connections, and has many calls share them. */
export function newDialler(
  clock: Clock,
  options: DiallerOptions,
  certificates: Certificates | undefined,
): Dialler<Connection, TcpSocket, Socket> {
  return new Dialler<Connection, TcpSocket, Socket>({
    who: 'the tcp transport',
    clock,
    certificates,
    connections: options.connections,
    lookEveryMs: lookEvery(options),
    open,
    begin: (tcp, dialled, events) =>
      new Connection(tcp, clock, options, {
        ...events,
        dialled,
        accept: (stream) => stream.close(),
        refused: () => {},
      }),
    socket: (connection) => connection.streams.open(),
  });
}

/** Begins to open a TCP connection, and TLS on it where there are certificates. This is the one place where one is made. */
function open(address: string, secureContext?: SecureContext, policy?: TlsPolicy): TcpSocket {
  const { host: given, port } = parseAddress(address);
  const host = given === '' ? '127.0.0.1' : given;
  if (secureContext === undefined || policy === undefined) return connect({ host, port });
  return connectTls({ host, port, secureContext, ...checkOf(host, policy) });
}
