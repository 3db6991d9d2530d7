import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { Signal } from '../conformance/probe.js';

export interface Datagram {
  readonly bytes: Buffer;
  readonly from: RemoteInfo;
}

/** A UDP socket on loopback that a test speaks and listens by. */
export class RawUdp {
  /** What came, in order. */
  readonly came = new Signal<Datagram>();
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes, from) => this.came.fire({ bytes, from }));
    // What was sent to a port that is closed comes back as an error.
    socket.on('error', () => {});
  }

  static async open(): Promise<RawUdp> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new RawUdp(socket);
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  send(bytes: Uint8Array, port: number): Promise<void> {
    return new Promise((resolve) => this.#socket.send(bytes, port, '127.0.0.1', () => resolve()));
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(resolve));
  }
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
