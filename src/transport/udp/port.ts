import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { formatAddress } from '../../core/address.js';

/** What the system holds of what comes before it is read, and of what leaves, where it lets us. */
const BUFFER_BYTES = 1024 * 1024;

/** What a port tells its owner. */
export interface PortEvents {
  readonly onDatagram: (bytes: Buffer, from: RemoteInfo) => void;
  /** Something that was sent did not arrive, or something else failed. */
  readonly onError: (error: Error) => void;
}

/** A UDP socket that is open. */
export class Port {
  /** Where it is bound. */
  readonly address: string;
  readonly #socket: Socket;
  readonly #peer: { readonly address: string; readonly port: number } | undefined;
  readonly #events: PortEvents;
  #leaving = 0;
  #onLeft: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  private constructor(socket: Socket, events: PortEvents, connected: boolean) {
    const { address, port } = socket.address();
    this.address = formatAddress(address, port);
    this.#socket = socket;
    this.#events = events;
    if (connected) this.#peer = socket.remoteAddress();
    socket.on('error', (error) => this.#failed(error));
    socket.on('message', events.onDatagram);
  }

  /** One that takes what comes from anywhere. An empty host is every interface. Rejects with the system's error. */
  static async bind(host: string, port: number, events: PortEvents): Promise<Port> {
    if (host !== '') return bound(await resolve(host), port, (socket) => new Port(socket, events, false));
    const each = (address: string, family: number): Promise<Port> =>
      bound({ address, family }, port, (socket) => new Port(socket, events, false));
    return each('::', 6).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') throw error;
      return each('0.0.0.0', 4);
    });
  }

  /** One that takes what comes from one peer, and hears when nobody is there. Rejects with the system's error. */
  static async connect(host: string, port: number, events: PortEvents): Promise<Port> {
    const { address, family } = await resolve(host === '' ? 'localhost' : host);
    const any = { address: family === 6 ? '::' : '0.0.0.0', family };
    const socket = await bound(any, 0, (it) => it);
    try {
      socket.connect(port, address);
      await once(socket, 'connect');
      return new Port(socket, events, true);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Whether a datagram comes from the peer. What was there before the port was connected may come from anybody. */
  isPeer({ address, port }: RemoteInfo): boolean {
    return this.#peer?.port === port && this.#peer.address === address;
  }

  /** Sends, to the peer where there is one. */
  send(bytes: Buffer, to?: RemoteInfo): void {
    if (this.#closed !== undefined) return;
    this.#leaving++;
    if (to === undefined) this.#socket.send(bytes, this.#left);
    else this.#socket.send(bytes, to.port, to.address, this.#left);
  }

  /** Whether it keeps the process up. */
  hold(held: boolean): void {
    if (held) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Closes when what was sent has left. Twice is once. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#leaving > 0) await new Promise<void>((left) => (this.#onLeft = left));
    await new Promise<void>((closed) => this.#socket.close(closed));
  }

  readonly #left = (error: Error | null): void => {
    if (--this.#leaving === 0) this.#onLeft?.();
    if (error !== null) this.#failed(error);
  };

  #failed(error: Error): void {
    if (this.#closed === undefined) this.#events.onError(error);
  }
}

interface Resolved {
  readonly address: string;
  readonly family: number;
}

function resolve(host: string): Promise<Resolved> {
  return lookup(host);
}

async function bound<T>(
  { address, family }: Resolved,
  port: number,
  then: (socket: Socket) => T,
): Promise<T> {
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // All addresses are numbers by now.
    lookup: (numeric, _options, tell) => tell(null, numeric, family),
  });
  try {
    const listening = once(socket, 'listening');
    socket.bind({ address, port, exclusive: true });
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  // In this turn, as the next may bring a datagram.
  roomy(socket);
  return then(socket);
}

/** Many answer at once, and what there is no room for is lost. */
function roomy(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
  } catch {
    // The system wants them smaller.
  }
}
