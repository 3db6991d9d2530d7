import { OctavoError } from '../core/error.js';
import { Inbox } from '../core/inbox.js';
import type { MaybePromise } from '../core/lifecycle.js';
import type { Message } from '../core/message.js';
import { Metadata } from '../core/metadata.js';
import type { Provider } from '../core/provider.js';
import {
  MESSAGE_LIMITS,
  Transport,
  type DialOptions,
  type Listener,
  type Socket,
  type TransportOptions,
} from './transport.js';

/** How many messages wait for a reader before the sender is told to wait. */
const ROOM = 64;

type Accept = (socket: Socket) => void;

/**
 * What memory transports share: who listens where, and the messages under way.
 *
 * They are delivered once a turn of the event loop. Hopping by microtask would never let a timer run.
 */
export class MemoryNetwork {
  readonly #listeners = new Map<string, Accept>();
  #under: (() => void)[] = [];
  #next = 1;

  /** Takes an address, a new one where the port is 0 or there is none. Throws `unavailable` when it is taken. */
  bind(address: string, accept: Accept): string {
    const bound = address === '' || address.endsWith(':0') ? `memory:${this.#next++}` : address;
    if (this.#listeners.has(bound))
      throw new OctavoError(
        'unavailable',
        `the address ${bound} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`,
      );
    this.#listeners.set(bound, accept);
    return bound;
  }

  release(address: string, accept: Accept): void {
    if (this.#listeners.get(address) === accept) this.#listeners.delete(address);
  }

  at(address: string): Accept | undefined {
    return this.#listeners.get(address);
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

/** Carries messages within one process. Header and body cross the boundary as copies and bytes, as on any wire. */
export class MemoryTransport extends Transport {
  readonly name = 'memory';
  readonly streams = true;
  readonly options: MemoryTransportOptions;
  readonly #network: MemoryNetwork;
  readonly #limits: typeof MESSAGE_LIMITS;
  readonly #sockets = new Set<MemorySocket>();
  readonly #listeners = new Set<Listener>();

  constructor(options: MemoryTransportOptions = {}) {
    super();
    this.options = options;
    this.#network = options.network ?? new MemoryNetwork();
    this.#limits = { ...MESSAGE_LIMITS, ...options };
  }

  start(): void {
    // There is nothing to open.
  }

  async stop(): Promise<void> {
    for (const listener of this.#listeners) await listener.close();
    for (const socket of this.#sockets)
      socket.close(new OctavoError('unavailable', 'the memory transport was stopped'));
  }

  dial(address: string, { cancellation }: DialOptions = {}): Socket {
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    const accept = this.#network.at(address);
    if (accept === undefined)
      throw new OctavoError('unavailable', `nobody listens at ${address} in this process`, {
        executed: false,
      });
    const here = `${address}/caller`;
    const near = new MemorySocket(here, address, this.#network, this.#limits, (it) =>
      this.#sockets.delete(it),
    );
    const far = new MemorySocket(address, here, this.#network, this.#limits, (it) =>
      this.#sockets.delete(it),
    );
    near.join(far, () => accept(far));
    far.join(near, undefined);
    this.#sockets.add(near).add(far);
    return near;
  }

  async listen(address: string, accept: Accept): Promise<Listener> {
    const network = this.#network;
    const own: Accept = (socket) => accept(socket);
    const bound = network.bind(address, own);
    const listener: Listener = {
      address: bound,
      close: async () => {
        network.release(bound, own);
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

class MemorySocket implements Socket {
  readonly local: string;
  readonly remote: string;
  readonly #network: MemoryNetwork;
  readonly #limits: typeof MESSAGE_LIMITS;
  readonly #onOver: (socket: MemorySocket) => void;
  readonly #inbox: Inbox<Message>;
  #peer: MemorySocket | undefined;
  /** Called before the first message reaches the peer. */
  #onFirst: (() => void) | undefined;
  #full: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  constructor(
    local: string,
    remote: string,
    network: MemoryNetwork,
    limits: typeof MESSAGE_LIMITS,
    onOver: (socket: MemorySocket) => void,
  ) {
    this.local = local;
    this.remote = remote;
    this.#network = network;
    this.#limits = limits;
    this.#onOver = onOver;
    this.#inbox = new Inbox<Message>(ROOM, () => this.#peer?.drained());
  }

  join(peer: MemorySocket, onFirst: (() => void) | undefined): void {
    this.#peer = peer;
    this.#onFirst = onFirst;
  }

  send({ header, body }: Message): MaybePromise<void> {
    const peer = this.#peer;
    if (this.#over !== undefined || peer === undefined) return;
    this.#check(header, body);
    const message = { header: new Metadata(header), body };
    const first = this.#onFirst;
    this.#onFirst = undefined;
    this.#network.soon(() => {
      peer.take(message, this);
      if (first !== undefined && peer.#over === undefined) first();
    });
    if (this.#full === undefined && ++this.#sent % ROOM !== 0) return;
    return this.#wait().promise;
  }
  #sent = 0;

  receive(): MaybePromise<Message | undefined> {
    return this.#inbox.take();
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  close(error?: OctavoError): void {
    if (this.#over !== undefined) return;
    const peer = this.#peer;
    const broken =
      error && new OctavoError('unavailable', `${this.local} cut the connection: ${error.message}`);
    this.#finish(undefined);
    if (peer !== undefined) this.#network.soon(() => peer.#finish(broken));
  }

  take(message: Message, sender: MemorySocket): void {
    if (this.#inbox.push(message)) sender.drained();
    else sender.#wait();
  }

  /** The peer has room again. */
  drained(): void {
    this.#full?.resolve();
    this.#full = undefined;
  }

  #wait(): { readonly promise: Promise<void> } {
    if (this.#full === undefined) {
      let resolve: () => void = () => {};
      const promise = new Promise<void>((settle) => (resolve = settle));
      this.#full = { promise, resolve };
    }
    return this.#full;
  }

  #check(header: Metadata, body: Uint8Array): void {
    const { maxMessageBytes, maxHeaders } = this.#limits;
    if (body.length > maxMessageBytes)
      throw new OctavoError(
        'resource_exhausted',
        `a message of ${body.length} bytes is over the limit of ${maxMessageBytes} (maxMessageBytes)`,
      );
    if (header.size > maxHeaders)
      throw new OctavoError(
        'resource_exhausted',
        `${header.size} headers are over the limit of ${maxHeaders} (maxHeaders)`,
      );
  }

  #finish(error: OctavoError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#inbox.end(error);
    this.drained();
    this.#onOver(this);
    this.#onClose?.(error);
  }
}
