import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What no client expects of its server, by what it is. */
export const GARBAGE: Readonly<Record<string, Buffer>> = {
  'text of another protocol': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  zeros: Buffer.alloc(64),
  'a negative size': Buffer.from([0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0, 1, 2, 3]),
  'a size without an end': Buffer.concat([Buffer.from([0x7f, 0xff, 0xff, 0xff]), Buffer.alloc(100)]),
  'a short frame': framed(Buffer.from([0, 0, 0, 0])),
  'a frame of text': framed(Buffer.from('\0\0\0\0not json')),
  'a frame of null': framed(Buffer.from('\0\0\0\0null')),
  'a frame of an error': framed(Buffer.from('\0\0\0\x01E_WHAT')),
  'a frame of a kind that is none': framed(Buffer.from('\0\0\0\x09x')),
  'a message too short to be one': framed(Buffer.from('\0\0\0\x02x')),
};

/** Bytes with their number in front, as Kafka and NSQ have it. */
export function framed(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length, 0);
  return Buffer.concat([size, bytes]);
}

/** A server that answers as it is told. */
export class FakeServer implements AsyncDisposable {
  readonly address: string;
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    // What listens on TCP has an address with a port.
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(talk: (socket: Socket) => void, port = 0): Promise<FakeServer> {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    const fake = new FakeServer(server);
    server.on('connection', (socket) => {
      fake.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => fake.sockets.delete(socket));
      talk(socket);
    });
    return fake;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
