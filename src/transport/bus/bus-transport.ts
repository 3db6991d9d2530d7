import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Logger } from '../../core/logger.js';
import { EMPTY } from '../../core/message.js';
import {
  MESSAGE_LIMITS,
  Transport,
  type DialOptions,
  type Listener,
  type Socket,
  type TransportOptions,
} from '../transport.js';
import type { Bus, BusEvents, Hearing } from './bus.js';
import { Door } from './door.js';
import { Links } from './links.js';
import { Mailbox, octavoAt } from './mailbox.js';
import { PlainPeers } from './plain-peers.js';
import type { Settings } from './settings.js';

/** What the transports over a bus have in common. */
export interface BusTransportOptions extends TransportOptions {
  /** How often an Octavo peer is asked for a sign of life, in milliseconds; three silent intervals are its death. @defaultValue `2_000` */
  readonly keepaliveMs?: number;
  /** How many calls and streams one listener holds open; more are refused. @defaultValue `10_000` */
  readonly maxSockets?: number;
  /** Whether the address of a listener may be that of others, who say the same: they are a queue group, and each caller has some of them in turn. @defaultValue `false` */
  readonly shared?: boolean;
}

export interface BusTransportParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What goes over one connection, from when it is there until it breaks. */
interface Session {
  readonly mailbox: Mailbox;
  readonly links: Links;
  readonly plain: PlainPeers;
}

/** A transport over a server in the middle: links between Octavo peers, and go-micro's form of messages for all others. */
export abstract class BusTransport extends Transport {
  readonly streams = true;
  readonly #bus: Bus;
  readonly #settings: Settings;
  /** What is listened at, and what is heard for that. */
  readonly #doors = new Map<Door, readonly Hearing[]>();
  #started: Promise<void> | undefined;
  #session: Session | undefined;
  #timer: Timer | undefined;

  constructor(makeBus: (events: BusEvents) => Bus, options: BusTransportOptions, parts: BusTransportParts) {
    super();
    this.#bus = makeBus({
      down: (error) => this.#renew(error),
      forbidden: (address, error) => {
        this.#session?.links.forbidden(address);
        this.#session?.plain.forbidden(address, error);
      },
    });
    const { timeoutMs = 60_000, keepaliveMs = 2_000, maxSockets = 10_000, shared = false } = options;
    this.#settings = {
      name: this.#bus.name,
      clock: parts.clock,
      logger: parts.logger,
      limits: { ...MESSAGE_LIMITS, ...options },
      timeoutMs,
      keepaliveMs,
      maxSockets,
      shared,
    };
  }

  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  async stop(): Promise<void> {
    this.#started = undefined;
    this.#timer?.cancel();
    const session = this.#session;
    this.#session = undefined;
    for (const hearings of this.#doors.values()) endAll(hearings);
    this.#doors.clear();
    const stopped = new OctavoError('unavailable', `the ${this.name} transport was stopped`);
    session?.links.leave(stopped);
    session?.plain.end(stopped);
    // What was said last is on its way before the connection closes; a server that hangs is not waited for.
    if (this.#bus.up) await this.#flushed();
    await this.#bus.stop();
  }

  dial(address: string, options: DialOptions = {}): MaybePromise<Socket> {
    const { cancellation, stream = false } = options;
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    this.#bus.checkAddress(address);
    const { links, plain } = this.#running();
    const link = links.to(address);
    if (link !== undefined) return link.dial(stream);
    if (plain.at(address) && !stream) return plain.dial(address, options);
    return this.#meet(address, options);
  }

  /** Takes an address of the bus; a fresh one where the port is 0 or there is none. */
  async listen(address: string, accept: (socket: Socket) => void): Promise<Listener> {
    this.#running();
    const isFresh = address === '' || address.endsWith(':0');
    const taken = isFresh ? this.#bus.fresh() : address;
    this.#bus.checkAddress(taken);
    const shared = this.#settings.shared && !isFresh;
    if (!isFresh && !shared) await this.#checkFree(taken);
    const door = new Door(taken, accept, this.#settings);
    let forbidden: OctavoError | undefined;
    const hear = { shared, refused: (error: OctavoError) => void (forbidden = error) };
    // In this order: whoever finds nobody at the first finds nobody at the second either.
    this.#doors.set(door, [
      this.#bus.hear(octavoAt(taken), (it) => this.#session?.links.greet(it, door), hear),
      this.#bus.hear(taken, (it) => this.#session?.plain.take(it, door), hear),
    ]);
    await this.#bus.flush();
    if (forbidden !== undefined) {
      await this.#close(door);
      throw forbidden;
    }
    return { address: taken, close: () => this.#close(door) };
  }

  /** Dials whoever is there: an Octavo peer, or by go-micro's rules. A stream is not begun before somebody is known to be there. */
  async #meet(address: string, options: DialOptions): Promise<Socket> {
    const { links, plain } = this.#running();
    const { stream = false, cancellation } = options;
    const met = await links.meet(address, options);
    if (met !== 'nobody') return met.dial(stream);
    if (stream && !(await this.#listens((reply) => this.#bus.post(address, plain.question, reply))))
      throw new OctavoError('unavailable', `nobody listens at ${address}`, { executed: false });
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    return plain.dial(address, options);
  }

  async #start(): Promise<void> {
    try {
      await this.#bus.start();
      this.#session = this.#open();
      await this.#bus.flush();
    } catch (reason) {
      this.#started = undefined;
      this.#session = undefined;
      await this.#bus.stop();
      throw reason;
    }
    this.#tickLater();
  }

  async #close(door: Door): Promise<void> {
    const hearings = this.#doors.get(door);
    if (hearings === undefined) return;
    this.#doors.delete(door);
    endAll(hearings);
    this.#session?.links.close(door);
    if (this.#bus.up) await this.#bus.flush().catch(() => {});
    // Whoever asked at the last moment was still heard.
    this.#session?.links.close(door);
  }

  #running(): Session {
    if (this.#session === undefined)
      throw new OctavoError('unavailable', `the ${this.name} transport is not started`, { executed: false });
    return this.#session;
  }

  #open(): Session {
    const mailbox = new Mailbox(this.#bus);
    return {
      mailbox,
      links: new Links(this.#bus, mailbox, this.#settings),
      plain: new PlainPeers(this.#bus, mailbox, this.#settings),
    };
  }

  /** The connection broke: what was under way is lost. The next one begins anew, under other addresses. */
  #renew(error: OctavoError): void {
    const session = this.#session;
    if (session === undefined) return;
    session.mailbox.close();
    this.#session = this.#open();
    session.links.end(error);
    session.plain.end(error);
  }

  #tickLater(): void {
    this.#timer = this.#settings.clock.after(
      this.#settings.keepaliveMs,
      () => {
        this.#session?.mailbox.tick();
        this.#session?.plain.tick();
        this.#tickLater();
      },
      { background: true },
    );
  }

  /** Throws `unavailable` when an Octavo peer listens there already. */
  async #checkFree(address: string): Promise<void> {
    // An empty message is no greeting.
    if (await this.#listens((reply) => this.#bus.publish(octavoAt(address), EMPTY, reply)))
      throw new OctavoError(
        'unavailable',
        `the address ${address} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`,
      );
  }

  /** Whether anybody gets what is published to an address: the server says that nobody does before it answers the flush. */
  async #listens(ask: (reply: string) => void): Promise<boolean> {
    const { mailbox } = this.#running();
    const box = mailbox.open();
    let listens = true;
    mailbox.give(box, { take: ({ refused }) => void (listens &&= !refused), tick: () => {} });
    try {
      ask(box.address);
      await this.#bus.flush();
    } finally {
      mailbox.take(box);
    }
    return listens;
  }

  #flushed(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#settings.clock.after(1_000, resolve, { background: true });
      void this.#bus
        .flush()
        .catch(() => {})
        .finally(() => {
          timer.cancel();
          resolve();
        });
    });
  }
}

/** Ends hearings, the last one first. */
function endAll(hearings: readonly Hearing[]): void {
  for (const each of hearings.toReversed()) each.end();
}
