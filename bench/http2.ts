import { connect, createServer, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Variant } from './variant.js';

/** Node's own HTTP/2, bytes in and out: what no framework that stands on it can beat. */
export const http2: Variant = {
  name: 'http2',
  about: 'node:http2 as it is, one session',

  async serve() {
    const server = createServer();
    server.on('stream', (stream) =>
      whole(stream, (body) => {
        stream.respond({ ':status': 200, 'content-type': 'application/protobuf' });
        stream.end(body);
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A TCP server that listens has an address with a port.
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },

  async connect(address) {
    const session = connect(address);
    return (text) =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/bench.Echo/Echo',
          'content-type': 'application/protobuf',
        });
        stream.on('error', reject);
        whole(stream, (body) => resolve(body.toString('latin1')));
        stream.end(text, 'latin1');
      });
  },
};

function whole(stream: ClientHttp2Stream | ServerHttp2Stream, onBody: (body: Buffer) => void): void {
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('end', () => onBody(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)));
}
