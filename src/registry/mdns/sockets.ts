import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';

const GROUP = '224.0.0.251';

export interface SocketOptions {
  /** Addresses of the interfaces to use; all that there are without it. */
  readonly interfaces: readonly string[] | undefined;
  readonly port: number;
  readonly logger: Logger;
  /** Called for each packet: on the group's port, or as an answer to something that was sent from here. */
  readonly onPacket: (bytes: Buffer, from: RemoteInfo) => void;
}

/**
 * The sockets of one registry: one that hears the group, and one for each interface that sends to it.
 *
 * Those that send have ports of their own, as go-micro answers to the port that asked, and several processes share the group's.
 */
export class MulticastSockets {
  readonly #port: number;
  readonly #hearing: Socket;
  readonly #sending: ReadonlyMap<string, Socket>;

  #leaving = 0;
  #onLeft: (() => void) | undefined;

  private constructor(port: number, hearing: Socket, sending: ReadonlyMap<string, Socket>) {
    this.#port = port;
    this.#hearing = hearing;
    this.#sending = sending;
  }

  /** Opens them. Rejects with `unavailable` when no interface can do multicast, or the port is taken. */
  static async open({
    interfaces = all(),
    port,
    logger,
    onPacket,
  }: SocketOptions): Promise<MulticastSockets> {
    const hearing = await bind(port);
    const sending = new Map<string, Socket>();
    const failures: string[] = [];
    for (const address of interfaces)
      try {
        hearing.addMembership(GROUP, address);
        const socket = await bind(0);
        socket.setMulticastInterface(address);
        sending.set(address, socket);
      } catch (cause) {
        failures.push(`${address}: ${(cause as Error).message}`);
      }
    if (sending.size === 0) {
      hearing.close();
      throw new OctavoError(
        'unavailable',
        `mdns finds no interface that can do multicast (${failures.join('; ') || 'there are none'}): choose another registry, such as MICRO_REGISTRY=memory`,
      );
    }
    for (const socket of [hearing, ...sending.values()]) {
      socket.setMulticastTTL(255);
      socket.setMulticastLoopback(true);
      socket.on('message', onPacket);
      // A send that fails on one interface, as when it goes away, does not concern the others.
      socket.on('error', (error) => logger.debug('an mdns socket failed', { error }));
      socket.unref();
    }
    return new MulticastSockets(port, hearing, sending);
  }

  /** Sends to the group, on every interface or those given. */
  multicast(bytes: Buffer, on: (address: string) => boolean = () => true): void {
    for (const [address, socket] of this.#sending)
      if (on(address)) this.#send(socket, bytes, this.#port, GROUP);
  }

  /** Sends to one process. */
  unicast(bytes: Buffer, to: RemoteInfo): void {
    this.#send(this.#hearing, bytes, to.port, to.address);
  }

  /** Closes when what was sent has left. */
  async close(): Promise<void> {
    if (this.#leaving > 0) await new Promise<void>((resolve) => (this.#onLeft = resolve));
    const sockets = [this.#hearing, ...this.#sending.values()];
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(resolve))));
  }

  /** A packet that cannot be sent is one that was lost. */
  #send(socket: Socket, bytes: Buffer, port: number, address: string): void {
    this.#leaving++;
    socket.send(bytes, port, address, () => {
      if (--this.#leaving === 0) this.#onLeft?.();
    });
  }
}

async function bind(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.bind(port);
  try {
    await once(socket, 'listening');
  } catch (cause) {
    socket.close();
    throw new OctavoError(
      'unavailable',
      `mdns cannot use the UDP port ${port}: ${(cause as Error).message}; choose another registry, such as MICRO_REGISTRY=memory`,
      { cause },
    );
  }
  return socket;
}

/** Loopback and every other IPv4 interface. */
function all(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outside = addresses
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
  return ['127.0.0.1', ...outside];
}
