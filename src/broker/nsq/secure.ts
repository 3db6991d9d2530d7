import { connect } from 'node:tls';
import type { Connection } from 'nsqjs';
import { checkOf, type Certificates } from '../../core/tls.js';

/**
 * Has a connection of the library go over to TLS with these certificates, and end where the server has none. The library's own way knows no
 * name but `localhost`, no version, and only the certificates that it was made with; and it goes on in plain text with a server that does not
 * offer TLS, or somebody in between who says so. Source: nsqjs 0.13, `lib/nsqdconnection.js`.
 */
export function secure(connection: Connection, host: string, certificates: Certificates): void {
  const { statemachine } = connection;
  const goto = statemachine.goto.bind(statemachine);
  let begun = false;
  statemachine.goto = (state, error) => {
    // What the server is told next includes the secret.
    if (begun || state !== 'IDENTIFY_COMPRESSION_CHECK') return goto(state, error);
    return goto(
      'ERROR',
      new Error('it does not speak TLS: set tls there (-tls-cert, -tls-key), or leave it out here'),
    );
  };
  connection.startTLS = (done) => {
    begun = true;
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
