import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Variant } from './variant.js';

const END = Buffer.from('\r\n\r\n');

/** HTTP/1.1 on bare sockets, no more than a call needs: what no framework on this wire can beat. */
export const floor: Variant = {
  name: 'floor',
  about: 'HTTP/1.1 by hand on bare sockets',

  async serve() {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      messages(socket, (body) => socket.write(message('HTTP/1.1 200 OK', body)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A TCP server that listens has an address with a port.
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  },

  async connect(address) {
    const idle: FloorConnection[] = [];
    return async (text) => {
      const connection = idle.pop() ?? (await FloorConnection.open(address));
      const reply = await connection.call(request(text));
      idle.push(connection);
      return reply;
    };
  },
};

/** One call after the other. */
export class FloorConnection {
  readonly #socket: Socket;
  #resolve: (body: string) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    messages(socket, (body) => this.#resolve(body));
  }

  static async open(address: string): Promise<FloorConnection> {
    const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new FloorConnection(socket);
  }

  call(bytes: Buffer): Promise<string> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#socket.write(bytes);
    });
  }
}

/** A call of go-micro's, with this body. */
export function request(body: string): Buffer {
  return message('POST / HTTP/1.1\r\nHost: x', body);
}

function message(start: string, body: string): Buffer {
  return Buffer.from(
    `${start}\r\nContent-Type: application/protobuf\r\nMicro-Service: bench\r\nMicro-Endpoint: Echo.Echo\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    'latin1',
  );
}

function messages(socket: Socket, onBody: (body: string) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (;;) {
      const end = rest.indexOf(END);
      if (end < 0) return;
      const head = rest.toString('latin1', 0, end);
      const at = head.lastIndexOf('Content-Length: ');
      const length = Number.parseInt(head.slice(at + 16), 10);
      if (rest.length < end + 4 + length) return;
      onBody(rest.toString('latin1', end + 4, end + 4 + length));
      rest = rest.subarray(end + 4 + length);
    }
  });
}
