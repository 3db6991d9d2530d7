import { randomUUID } from 'node:crypto';
import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { EMPTY } from '../core/message.js';
import { Logger } from '../core/logger.js';
import { NatsClient, type NatsOptions, type NatsParts } from '../core/nats.js';
import { isSubject } from '../core/nats-subject.js';
import { NatsConnections } from '../core/nats-connection.js';
import type { Provider } from '../core/provider.js';
import { Door } from './nats/door.js';
import { Links } from './nats/links.js';
import { Mailbox, octavoAt } from './nats/mailbox.js';
import { PlainPeers } from './nats/plain-peers.js';
import type { Settings } from './nats/settings.js';
import {
  MESSAGE_LIMITS,
  Transport,
  type DialOptions,
  type Listener,
  type Socket,
  type TransportOptions,
} from './transport.js';

export interface NatsTransportOptions extends TransportOptions, NatsOptions {
  /** Bytes of one body. A server takes 1 MiB on the wire unless it is told otherwise, where go-micro's form of a body is a third longer. @defaultValue 512 KiB */
  readonly maxMessageBytes?: number;
  /** How often an Octavo peer is asked for a sign of life, in milliseconds; three silent intervals are its death. @defaultValue `2_000` */
  readonly keepaliveMs?: number;
  /** How many calls and streams one listener holds open; more are refused. @defaultValue `10_000` */
  readonly maxSockets?: number;
}

/** What goes over one connection, from when it is there until it breaks. */
interface Session {
  readonly mailbox: Mailbox;
  readonly links: Links;
  readonly plain: PlainPeers;
}

/**
 * Carries messages over a NATS server, in the form of go-micro's nats transport. Addresses are subjects. Needs `npm install @nats-io/transport-node`.
 *
 * Between Octavo peers there is flow control, each end hears of the other's death, and bodies travel as they are.
 */
export class NatsTransport extends Transport {
  readonly name = 'nats';
  readonly streams = true;
  /** What it was given, without what is secret. */
  readonly options: Omit<NatsTransportOptions, 'user' | 'pass' | 'token' | 'tls'>;
  readonly #client: NatsClient;
  readonly #settings: Settings;
  /** What is listened at, and what ends that. */
  readonly #doors = new Map<Door, () => void>();
  #started: Promise<void> | undefined;
  #session: Session | undefined;
  #timer: Timer | undefined;

  constructor(options: NatsTransportOptions, parts: NatsParts) {
    super();
    const { user: _user, pass: _pass, token: _token, tls: _tls, addresses: _addresses, ...shown } = options;
    this.options = { maxMessageBytes: 512 * 1024, ...shown };
    this.#client = new NatsClient('the nats transport', options, parts, {
      down: (error) => this.#renew(error),
      forbidden: (subject, error) => {
        this.#session?.links.forbidden(subject);
        this.#session?.plain.forbidden(subject, error);
      },
    });
    const { timeoutMs = 60_000, keepaliveMs = 2_000, maxSockets = 10_000 } = options;
    this.#settings = {
      ...parts,
      limits: { ...MESSAGE_LIMITS, ...this.options },
      timeoutMs,
      keepaliveMs,
      maxSockets,
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
    for (const off of this.#doors.values()) off();
    this.#doors.clear();
    const stopped = new OctavoError('unavailable', 'the nats transport was stopped');
    session?.links.leave(stopped);
    session?.plain.end(stopped);
    // What was said last is on its way before the connection closes; a server that hangs is not waited for.
    if (this.#client.up) await this.#flushed();
    await this.#client.stop();
  }

  dial(address: string, options: DialOptions = {}): MaybePromise<Socket> {
    const { cancellation, stream = false } = options;
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    checkSubject(address);
    const { links, plain } = this.#running();
    const link = links.to(address);
    if (link !== undefined) return link.dial(stream);
    if (plain.at(address) && !stream) return plain.dial(address, options);
    return this.#meet(address, options);
  }

  /** Takes a subject for an address; a fresh one where the port is 0 or there is none. */
  async listen(address: string, accept: (socket: Socket) => void): Promise<Listener> {
    this.#running();
    const fresh = address === '' || address.endsWith(':0');
    const subject = fresh ? `_INBOX.${randomUUID().replaceAll('-', '')}` : address;
    checkSubject(subject);
    if (!fresh) await this.#checkFree(subject);
    const door = new Door(subject, accept, this.#settings);
    let forbidden: OctavoError | undefined;
    const refused = (error: OctavoError): void => void (forbidden = error);
    // In this order: whoever finds nobody at the first finds nobody at the second either.
    const heard = [
      this.#client.subscribe(octavoAt(subject), (it) => this.#session?.links.greet(it, door), { refused }),
      this.#client.subscribe(subject, (it) => this.#session?.plain.take(it, door), { refused }),
    ];
    this.#doors.set(door, () => {
      for (const each of heard.toReversed()) each.end();
    });
    await this.#client.flush();
    if (forbidden !== undefined) {
      await this.#close(door);
      throw forbidden;
    }
    return { address: subject, close: () => this.#close(door) };
  }

  /** Dials whoever is there: an Octavo peer, or by go-micro's rules. A stream is not begun before somebody is known to be there. */
  async #meet(address: string, options: DialOptions): Promise<Socket> {
    const { links, plain } = this.#running();
    const { stream = false, cancellation } = options;
    const met = await links.meet(address, options);
    if (met !== 'nobody') return met.dial(stream);
    if (stream && !(await this.#listens(address, plain.question)))
      throw new OctavoError('unavailable', `nobody listens at ${address}`, { executed: false });
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    return plain.dial(address, options);
  }

  async #start(): Promise<void> {
    try {
      await this.#client.start();
    } catch (reason) {
      this.#started = undefined;
      throw reason;
    }
    this.#session = this.#open();
    this.#tickLater();
  }

  async #close(door: Door): Promise<void> {
    const off = this.#doors.get(door);
    if (off === undefined) return;
    this.#doors.delete(door);
    off();
    this.#session?.links.close(door);
    if (this.#client.up) await this.#client.flush().catch(() => {});
  }

  #running(): Session {
    if (this.#session === undefined)
      throw new OctavoError('unavailable', 'the nats transport is not started', { executed: false });
    return this.#session;
  }

  #open(): Session {
    const mailbox = new Mailbox(this.#client);
    return {
      mailbox,
      links: new Links(this.#client, mailbox, this.#settings),
      plain: new PlainPeers(this.#client, mailbox, this.#settings),
    };
  }

  /** The connection broke: what was under way is lost. The next one begins anew, under other subjects. */
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
  async #checkFree(subject: string): Promise<void> {
    // An empty message is no greeting.
    if (await this.#listens(octavoAt(subject), EMPTY))
      throw new OctavoError(
        'unavailable',
        `the address ${subject} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`,
      );
  }

  /** Whether anybody gets what is published to a subject: the server says that nobody does before it answers the flush. */
  async #listens(subject: string, question: Uint8Array): Promise<boolean> {
    const { mailbox } = this.#running();
    const box = mailbox.open();
    let listens = true;
    mailbox.give(box, { take: ({ refused }) => void (listens &&= !refused), tick: () => {} });
    try {
      this.#client.publish(subject, question, box.subject);
      await this.#client.flush();
    } finally {
      mailbox.take(box);
    }
    return listens;
  }

  #flushed(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#settings.clock.after(1_000, resolve, { background: true });
      void this.#client
        .flush()
        .catch(() => {})
        .finally(() => {
          timer.cancel();
          resolve();
        });
    });
  }
}

/** Speaks go-micro's nats transport. */
export function nats(options: NatsTransportOptions = {}): Provider<Transport> {
  return (resolve) =>
    new NatsTransport(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(NatsConnections),
    });
}

function checkSubject(address: string): void {
  if (!isSubject(address))
    throw new OctavoError(
      'invalid_argument',
      `"${address}" is no NATS subject: it has no spaces, no * and no >, and no empty part between dots`,
    );
}
