import { connect } from 'node:tls';
import type { Connection } from 'nsqjs';
import { checkOf, type Certificates } from '../../core/tls.js';

/**
 * Has a connection of the library go over to TLS with these certificates. The library's own way knows no name but `localhost`, no version, and
 * only the certificates that it was made with. Source: nsqjs 0.13, `lib/nsqdconnection.js`.
 */
export function secure(connection: Connection, host: string, certificates: Certificates): void {
  connection.startTLS = (done) => {
    const plain = connection.conn;
    for (const event of ['data', 'error', 'close']) plain.removeAllListeners(event);
    // What breaks from here on is told by TLS.
    plain.on('error', () => {});
    const secured = connect(
      { socket: plain, secureContext: certificates.current(), ...checkOf(host, certificates.policy) },
      () => {
        connection.conn = secured;
        done?.();
      },
    );
    connection.outWriter = secured;
    connection.registerStreamListeners(secured);
  };
}
