import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { parseAddress } from '../../src/core/address.js';
import { writeHead } from '../../src/transport/grpc/message.js';
import { Metadata } from '../../src/core/metadata.js';

// The other end of a connection of the grpc transport, by hand: it says what it is told to, and nothing else.

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8 } as const;
export const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;

/** One frame that came. */
export interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers as HPACK writes them that are never learned and not compressed. */
function hpack(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [
      Buffer.of(0, name.length),
      Buffer.from(name),
      length(value.length),
      Buffer.from(value),
    ]),
  );
}

/** Up to 126, or in two bytes. */
function length(bytes: number): Buffer {
  return bytes < 127 ? Buffer.of(bytes) : Buffer.of(127, (bytes - 127) | 0x80, (bytes - 127) >> 7);
}

const REQUEST = {
  ':method': 'POST',
  ':scheme': 'http',
  ':path': '/go.micro.transport.grpc.Transport/Stream',
  ':authority': 'x',
  'content-type': 'application/grpc',
  te: 'trailers',
};

/** A message of the grpc transport with its prefix. */
export function grpcMessage(
  body: Uint8Array | string,
  header: Readonly<Record<string, string>> = {},
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return Buffer.concat([
    writeHead({ header: new Metadata({ 'Micro-Service': 'x', ...header }), body: bytes }),
    bytes,
  ]);
}

/** Waits for frames, and answers none but settings where it is told to. */
export class Http2Peer {
  readonly socket: Socket;
  readonly frames: Http2Frame[] = [];
  ended = false;
  readonly #changed: (() => void)[] = [];
  #rest = Buffer.alloc(0);
  #skip: number;

  /** @param dialled whether it dialled; else it is sent the preface first */
  constructor(socket: Socket, dialled: boolean) {
    this.socket = socket;
    this.#skip = dialled ? 0 : PREFACE.length;
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
      this.#change();
    });
  }

  /** Opens a connection, and says what HTTP/2 begins with; and that it knows what the other end takes, unless it does not. */
  static async open(address: string, knows = true): Promise<Http2Peer> {
    const peer = new Http2Peer(connect(parseAddress(address)), true);
    peer.write(PREFACE, frame(FRAME.settings, 0, 0));
    await peer.hears(FRAME.settings);
    if (knows) peer.write(frame(FRAME.settings, ACK, 0));
    return peer;
  }

  /** Listens, and has each connection taken by `take`. */
  static async listen(take: (peer: Http2Peer) => void): Promise<{ address: string; server: Server }> {
    const server = createServer((socket) => take(new Http2Peer(socket, false)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A TCP server that listens has an address with a port.
    return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
  }

  write(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** Says that it takes what the other end is about to send. */
  settle(): void {
    this.write(frame(FRAME.settings, 0, 0), frame(FRAME.settings, ACK, 0));
  }

  request(stream: number, more: Readonly<Record<string, string>> = {}): void {
    this.write(frame(FRAME.headers, END_HEADERS, stream, hpack({ ...REQUEST, ...more })));
  }

  /** @param more beside the status, such as `grpc-status` */
  respond(stream: number, more: Readonly<Record<string, string>> = {}): void {
    const headers = { ':status': '200', 'content-type': 'application/grpc', ...more };
    this.write(frame(FRAME.headers, END_HEADERS, stream, hpack(headers)));
  }

  /** Says how a call has ended; where nothing was said before, that is all there is. */
  trailers(stream: number, headers: Readonly<Record<string, string>>): void {
    this.write(frame(FRAME.headers, END_HEADERS | END_STREAM, stream, hpack(headers)));
  }

  data(stream: number, bytes: Uint8Array, flags = 0): void {
    for (let at = 0; at < Math.max(1, bytes.length); at += 16_384)
      this.write(
        frame(FRAME.data, at + 16_384 < bytes.length ? 0 : flags, stream, bytes.subarray(at, at + 16_384)),
      );
  }

  /** The first frame of a type, on a stream where one is named; waits for it. Fails when the connection ends before. */
  async hears(type: number, stream?: number): Promise<Http2Frame> {
    for (;;) {
      const found = this.frames.find(
        (each) => each.type === type && (stream === undefined || each.stream === stream),
      );
      if (found !== undefined) return found;
      if (this.ended) throw new Error(`the connection ended before a frame of the type ${type} came`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** Waits until the other end has closed. */
  async closed(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  close(): void {
    this.socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (this.#skip > 0) {
      if (this.#rest.length < this.#skip) return;
      this.#rest = this.#rest.subarray(this.#skip);
      this.#skip = 0;
    }
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) break;
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, 9 + length),
      });
      this.#rest = this.#rest.subarray(9 + length);
    }
    this.#change();
  }

  #change(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
}
