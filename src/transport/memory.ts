import { Crowd, type Place } from '../core/crowd.js';
import { OctavoError } from '../core/error.js';
import { Inbox } from '../core/inbox.js';
import type { MaybePromise } from '../core/lifecycle.js';
import type { Message } from '../core/message.js';
import { Metadata } from '../core/metadata.js';
import type { Provider } from '../core/provider.js';
import { excess } from './limits.js';
import {
  MESSAGE_LIMITS,
  Transport,
  type DialOptions,
  type Listener,
  type Receiver,
  type Socket,
  type TransportOptions,
} from './transport.js';

/** How many messages wait for a reader before the sender is told to wait. */
const ROOM = 64;

/** What the sockets of one transport have in common. */
interface Side {
  readonly network: MemoryNetwork;
  readonly limits: typeof MESSAGE_LIMITS;
  /** Those that are open. */
  readonly sockets: Crowd<MemorySocket>;
}

/** Who listens at an address. */
interface Door {
  readonly side: Side;
  readonly accept: (socket: Socket) => void;
}

/**
 * What memory transports share: who listens where, and the messages under way.
 *
 * They are delivered once a turn of the event loop. Hopping by microtask would never let a timer run.
 */
export class MemoryNetwork {
  readonly #doors = new Map<string, Door>();
  #under: (() => void)[] = [];
  #next = 1;

  /** Takes an address, a new one where the port is 0 or there is none. Throws `unavailable` when it is taken. */
  bind(address: string, door: Door): string {
    let bound = address;
    if (address === '' || address.endsWith(':0'))
      do bound = `memory:${this.#next++}`;
      while (this.#doors.has(bound));
    if (this.#doors.has(bound))
      throw new OctavoError(
        'unavailable',
        `the address ${bound} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`,
      );
    this.#doors.set(bound, door);
    return bound;
  }

  release(address: string, door: Door): void {
    if (this.#doors.get(address) === door) this.#doors.delete(address);
  }

  at(address: string): Door | undefined {
    return this.#doors.get(address);
  }

  /** Does this in the next turn, in order. */
  soon(deliver: () => void): void {
    this.#under.push(deliver);
    if (this.#under.length === 1) setImmediate(() => this.#drain());
  }

  #drain(): void {
    const under = this.#under;
    this.#under = [];
    for (const deliver of under) deliver();
  }
}

export interface MemoryTransportOptions extends TransportOptions {
  /** What this transport shares with others. @defaultValue a network of its own */
  readonly network?: MemoryNetwork;
}

/** Carries messages within one process. A header crosses as a copy, a body as it is. */
export class MemoryTransport extends Transport {
  readonly name = 'memory';
  readonly streams = true;
  readonly options: MemoryTransportOptions;
  readonly #side: Side;
  readonly #listeners = new Set<Listener>();

  constructor(options: MemoryTransportOptions = {}) {
    super();
    this.options = options;
    const { network = new MemoryNetwork() } = options;
    this.#side = { network, limits: { ...MESSAGE_LIMITS, ...options }, sockets: new Crowd() };
  }

  start(): void {
    // There is nothing to open.
  }

  async stop(): Promise<void> {
    for (const listener of this.#listeners) await listener.close();
    for (const socket of this.#side.sockets)
      socket.cut(new OctavoError('unavailable', 'the memory transport was stopped'));
  }

  dial(address: string, { cancellation }: DialOptions = {}): Socket {
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    const door = this.#side.network.at(address);
    if (door === undefined)
      throw new OctavoError('unavailable', `nobody listens at ${address} in this process`, {
        executed: false,
      });
    const here = `${address}/caller`;
    const near = new MemorySocket(here, address, this.#side);
    const far = new MemorySocket(address, here, door.side);
    near.join(far, () => door.accept(far));
    far.join(near);
    return near;
  }

  async listen(address: string, accept: (socket: Socket) => void): Promise<Listener> {
    const { network } = this.#side;
    const door: Door = { side: this.#side, accept };
    const bound = network.bind(address, door);
    const listener: Listener = {
      address: bound,
      close: async () => {
        network.release(bound, door);
        this.#listeners.delete(listener);
      },
    };
    this.#listeners.add(listener);
    return listener;
  }
}

/** Carries messages within this process. */
export function memory(options: MemoryTransportOptions = {}): Provider<Transport> {
  return () => new MemoryTransport(options);
}

/** A message under way. Of a class, as V8 takes literals that are under way when it collects garbage for long-lived, and old ones keep new ones alive. */
class Carried implements Message {
  readonly header: Metadata;
  readonly body: Uint8Array;

  constructor(header: Metadata, body: Uint8Array) {
    this.header = header;
    this.body = body;
  }
}

class MemorySocket implements Socket {
  readonly local: string;
  readonly remote: string;
  readonly #side: Side;
  readonly #place: Place<MemorySocket>;
  readonly #inbox: Inbox<Message>;
  #peer: MemorySocket | undefined;
  /** Called when the first message is at the peer. */
  #onFirst: (() => void) | undefined;
  /** How many messages have left and are not at the peer yet. */
  #flying = 0;
  /** Whether the peer has more than it has read. */
  #behind = false;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  constructor(local: string, remote: string, side: Side) {
    this.local = local;
    this.remote = remote;
    this.#side = side;
    this.#inbox = new Inbox<Message>(ROOM, () => this.#peer?.drained());
    this.#place = side.sockets.add(this);
  }

  join(peer: MemorySocket, onFirst?: () => void): void {
    this.#peer = peer;
    this.#onFirst = onFirst;
  }

  send({ header, body }: Message): MaybePromise<void> {
    if (this.#over !== undefined) return;
    const over = excess({ header, body }, this.#side.limits);
    if (over !== undefined) throw over;
    const message = new Carried(new Metadata(header), body);
    this.#flying++;
    this.#side.network.soon(() => this.#deliver(message));
    if (this.#behind || this.#flying >= ROOM) return this.#wait();
  }

  receive(): MaybePromise<Message | undefined> {
    return this.#inbox.take();
  }

  receiveInto(receiver: Receiver): void {
    this.#inbox.takeInto(receiver);
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  close(error?: OctavoError): void {
    if (this.#over !== undefined) return;
    this.#finish(undefined);
    const broken =
      error && new OctavoError('unavailable', `${this.local} cut the connection: ${error.message}`);
    this.#endPeer(broken);
  }

  /** Ends both directions with an error at both ends. */
  cut(error: OctavoError): void {
    this.#finish(error);
    this.#endPeer(error);
  }

  /** The peer has room again. */
  drained(): void {
    this.#behind = false;
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** Ends the other end, after what is on its way there. */
  #endPeer(error: OctavoError | undefined): void {
    const peer = this.#peer;
    if (peer !== undefined) this.#side.network.soon(() => peer.#finish(error));
  }

  #deliver(message: Message): void {
    const peer = this.#peer;
    const first = this.#onFirst;
    this.#onFirst = undefined;
    this.#flying--;
    if (peer === undefined || peer.#over !== undefined) return this.drained();
    const over = excess(message, peer.#side.limits);
    if (over !== undefined) return peer.cut(over);
    this.#behind = !peer.#inbox.push(message);
    if (!this.#behind) this.drained();
    first?.();
  }

  #wait(): Promise<void> {
    if (this.#room === undefined) {
      let resolve: () => void = () => {};
      const promise = new Promise<void>((settle) => (resolve = settle));
      this.#room = { promise, resolve };
    }
    return this.#room.promise;
  }

  #finish(error: OctavoError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#inbox.end(error);
    this.drained();
    this.#place.leave();
    this.#onClose?.(error);
  }
}
