import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { parseAddress } from '../../src/core/address.js';
import { FrameReader, type MessageFrame } from '../../src/transport/tcp/frame-reader.js';
import * as wire from '../../src/transport/tcp/frames.js';
import { HeaderWriter } from '../../src/transport/tcp/header-writer.js';
import { readPreface, writePreface } from '../../src/transport/tcp/preface.js';

export const TERMS: wire.Terms = {
  windowBytes: 256 * 1024,
  maxStreams: 1_024,
  maxMessageBytes: 4 * 1024 * 1024,
  maxHeaderBytes: 64 * 1024,
  maxHeaders: 256,
};

/** What came, in words: `open 1`, `message 1`, `data 1`, `end 1`, `reset 1`, `refused 1`, `credit 1`, `ping`, `pong`, `goaway 1`. */
export type Said = string;

/** The other end of a connection of the tcp transport, by hand: it says what it is told to, and nothing else. */
export class TcpPeer {
  readonly socket: Socket;
  /** What the other end takes; `undefined` until it has said so. */
  terms: wire.Terms | undefined;
  readonly said: Said[] = [];
  readonly messages: MessageFrame[] = [];
  /** Bytes of the payloads of all messages. */
  readonly sizes: number[] = [];
  ended = false;
  readonly #headers = new HeaderWriter();
  readonly #changed: (() => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);
  readonly #reader: FrameReader;

  constructor(socket: Socket) {
    this.socket = socket;
    const say = (what: Said): void => void this.said.push(what);
    this.#reader = new FrameReader(TERMS, {
      message: (message) => {
        this.messages.push(message);
        this.sizes.push(message.charge - wire.MESSAGE_CHARGE - wire.PAIR_CHARGE * message.header.size);
        say(`${message.open ? 'open' : 'message'} ${message.stream}`);
        if (message.last) say(`end ${message.stream}`);
      },
      data: (stream, _, begins) => begins && say(`data ${stream}`),
      closing: (stream) => say(`end ${stream}`),
      reset: (stream, unexecuted) => say(`${unexecuted ? 'refused' : 'reset'} ${stream}`),
      credit: (stream) => say(`credit ${stream}`),
      ping: () => say('ping'),
      pong: () => say('pong'),
      goaway: (last) => say(`goaway ${last}`),
    });
    socket.on('data', (bytes: Buffer) => {
      this.#take(bytes);
      this.#wake();
    });
    for (const event of ['end', 'close', 'error'])
      socket.on(event, () => {
        this.ended = true;
        this.#wake();
      });
  }

  /** Dials a listener and says what it is. */
  static async open(address: string, preface: Uint8Array = writePreface(TERMS)): Promise<TcpPeer> {
    const { host, port } = parseAddress(address);
    const socket = connect({ host, port });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const peer = new TcpPeer(socket);
    socket.write(preface);
    return peer;
  }

  /** Listens by hand; every connection says what it is and is given to `accept`. */
  static async listen(
    accept: (peer: TcpPeer) => void,
    preface: Uint8Array = writePreface(TERMS),
  ): Promise<{ address: string; server: Server }> {
    const server = createServer((socket) => {
      socket.write(preface);
      accept(new TcpPeer(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A TCP server that listens has an address with a port.
    return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
  }

  frame(type: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): void {
    const head = Buffer.alloc(wire.FRAME_BYTES);
    head.writeUInt32BE(payload.length);
    head[0] = type;
    head.writeUInt32BE(stream, 4);
    this.socket.write(Buffer.concat([head, payload]));
  }

  number(type: number, stream: number, number: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(number);
    this.frame(type, stream, payload);
  }

  /** @param bodyBytes how long it says that its body is */
  message(flags: number, stream: number, body: Uint8Array = Buffer.from('x'), bodyBytes = body.length): void {
    const pairs = ['Micro-Service', 'x'];
    const bytes = Buffer.alloc(this.#headers.measure(pairs) + 16);
    let at = wire.writeVarint(bytes, 0, pairs.length / 2);
    at = wire.writeVarint(bytes, at, bodyBytes);
    at = this.#headers.write(pairs, bytes, at);
    this.frame(wire.MESSAGE | flags, stream, Buffer.concat([bytes.subarray(0, at), body]));
  }

  /** Resolves when this has been said. Rejects when the connection ends before. */
  async hears(what: Said): Promise<void> {
    await this.#until(() => this.said.includes(what), what);
  }

  /** Resolves when the other end has said who it is. */
  async greeted(): Promise<void> {
    await this.#until(() => this.terms !== undefined, 'a preface');
  }

  /** Resolves when the other end has closed. */
  async closed(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  close(): void {
    this.socket.destroy();
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.ended) throw new Error(`the connection ended before "${what}", after ${this.said.join(', ')}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  #take(bytes: Buffer): void {
    if (this.terms !== undefined) return this.#reader.feed(bytes);
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const read = readPreface(this.#rest, false);
    if (read === undefined) return;
    this.terms = read.terms;
    if (this.#rest.length > read.bytes) this.#reader.feed(this.#rest.subarray(read.bytes));
  }

  #wake(): void {
    for (const each of this.#changed.splice(0)) each();
  }
}
