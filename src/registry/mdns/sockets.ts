import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import { ways, type Family } from './interfaces.js';

const GROUP: Readonly<Record<Family, string>> = { 4: '224.0.0.251', 6: 'ff02::fb' };

/** What a socket holds of what comes before it is read, where the system lets it. */
const RECEIVE_BYTES = 1024 * 1024;

export interface SocketOptions {
  /** Addresses of the interfaces to use; all that there are without it. */
  readonly interfaces: readonly string[] | undefined;
  readonly port: number;
  readonly logger: Logger;
  /** Called for each packet: on the group's port, or as an answer to something that was sent from here. */
  readonly onPacket: (bytes: Buffer, from: RemoteInfo) => void;
}

interface Sending {
  readonly family: Family;
  readonly address: string;
  readonly port: number;
  readonly socket: Socket;
}

/**
 * The sockets of one registry: those that hear the group, one for each family of addresses, and one for each interface that sends to it.
 *
 * Those that send have ports of their own, as go-micro answers to the port that asked, and several processes share the group's.
 */
export class MulticastSockets {
  readonly #options: SocketOptions;
  readonly #hearing = new Map<Family, Socket>();
  readonly #sending: Sending[] = [];
  readonly #open = new Set<Socket>();
  #leaving = 0;
  #onLeft: (() => void) | undefined;

  private constructor(options: SocketOptions) {
    this.#options = options;
  }

  /** Opens them. Rejects with `unavailable` when no interface can do multicast, or the port is taken. */
  static async open(options: SocketOptions): Promise<MulticastSockets> {
    const sockets = new MulticastSockets(options);
    try {
      await sockets.#openAll();
      return sockets;
    } catch (error) {
      await sockets.close();
      throw error;
    }
  }

  /** Sends to the group, on every interface or those given. */
  multicast(bytes: Buffer, on: (address: string) => boolean = () => true): void {
    for (const { family, address, socket } of this.#sending)
      if (on(address)) this.#send(socket, bytes, this.#options.port, GROUP[family]);
  }

  /** Sends to one process. */
  unicast(bytes: Buffer, to: RemoteInfo): void {
    const socket = this.#hearing.get(to.family === 'IPv6' ? 6 : 4);
    if (socket !== undefined) this.#send(socket, bytes, to.port, to.address);
  }

  /** Whether a packet that comes from this machine was sent to the group from here. */
  sent({ port, family }: RemoteInfo): boolean {
    return this.#sending.some((each) => each.port === port && `IPv${each.family}` === family);
  }

  /** Closes when what was sent has left. */
  async close(): Promise<void> {
    if (this.#leaving > 0) await new Promise<void>((resolve) => (this.#onLeft = resolve));
    const sockets = [...this.#open];
    this.#open.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(resolve))));
  }

  async #openAll(): Promise<void> {
    const failures: string[] = [];
    for (const { family, address, join } of ways(this.#options.interfaces)) {
      const hearing = this.#hearing.get(family) ?? (await this.#hear(family, failures));
      if (hearing === undefined) continue;
      let socket: Socket | undefined;
      try {
        hearing.addMembership(GROUP[family], join);
        socket = await this.#bind(family, 0);
        socket.setMulticastInterface(join);
        this.#sending.push({ family, address, port: socket.address().port, socket });
      } catch (cause) {
        failures.push(`${address}: ${(cause as Error).message}`);
        if (socket !== undefined) this.#drop(socket);
      }
    }
    if (this.#sending.length === 0)
      throw new OctavoError(
        'unavailable',
        `mdns finds no interface that can do multicast (${failures.join('; ') || 'there are none'}): choose another registry, such as MICRO_REGISTRY=memory`,
      );
    for (const address of this.#options.interfaces ?? [])
      if (!this.#sending.some((each) => each.address === address))
        this.#options.logger.warn('mdns cannot use an interface', { address, why: failures.join('; ') });
  }

  /** The one that hears the group. Without IPv6 the machine does without; a port that is taken is an error. */
  async #hear(family: Family, failures: string[]): Promise<Socket | undefined> {
    try {
      const socket = await this.#bind(family, this.#options.port);
      this.#hearing.set(family, socket);
      return socket;
    } catch (cause) {
      const { message } = cause as Error;
      failures.push(message);
      if (family === 6) return undefined;
      throw new OctavoError(
        'unavailable',
        `mdns cannot use the UDP port ${this.#options.port}: ${message}; choose another registry, such as MICRO_REGISTRY=memory`,
        { cause },
      );
    }
  }

  async #bind(family: Family, port: number): Promise<Socket> {
    const socket = createSocket({ type: `udp${family}`, reuseAddr: true, ipv6Only: family === 6 });
    this.#open.add(socket);
    try {
      socket.bind(port);
      await once(socket, 'listening');
      socket.setMulticastTTL(255);
      socket.setMulticastLoopback(true);
      roomy(socket);
    } catch (error) {
      this.#drop(socket);
      throw error;
    }
    // A send that fails on one interface, as when it goes away, does not concern the others.
    socket.on('error', (error) => this.#options.logger.debug('an mdns socket failed', { error }));
    socket.on('message', this.#options.onPacket);
    socket.unref();
    return socket;
  }

  #drop(socket: Socket): void {
    this.#open.delete(socket);
    socket.close();
  }

  /** A packet that cannot be sent is one that was lost. */
  #send(socket: Socket, bytes: Buffer, port: number, address: string): void {
    this.#leaving++;
    socket.send(bytes, port, address, () => {
      if (--this.#leaving === 0) this.#onLeft?.();
    });
  }
}

/** Many answer at once, and what there is no room for is lost. */
function roomy(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BYTES);
  } catch {
    // The system wants it smaller.
  }
}
