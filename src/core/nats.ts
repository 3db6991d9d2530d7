import type { Msg, NatsConnection, PermissionViolationError, Subscription } from '@nats-io/transport-node';
import { OctavoError } from './error.js';
import {
  messageOf,
  nameServers,
  NatsConnections,
  serversOf,
  SharedNatsConnection,
  type NatsConnectionParts,
  type NatsOptions,
} from './nats-connection.js';
import type { Lease } from './shared.js';

export type { NatsOptions } from './nats-connection.js';

export interface NatsParts extends NatsConnectionParts {
  /** What this owner's connection is shared through. @defaultValue shared with nobody */
  readonly connections?: NatsConnections;
}

/** What came on a subject. */
export interface NatsMessage {
  readonly subject: string;
  /** Where an answer goes; empty for none. */
  readonly reply: string;
  readonly data: Uint8Array;
  /** The server says that nobody listened to what was published with this subject as its reply. */
  readonly refused: boolean;
  /** What the server says by a number, 0 where it says nothing. */
  readonly status: number;
  /** One value of its header, empty for none. */
  header(name: string): string;
}

/** What an owner of a connection is told. */
export interface NatsEvents {
  /** The connection is gone, and with it everything that was under way. It comes back by itself. */
  down(error: OctavoError): void;
  /** It is there again. */
  up?(): void;
  /** The server does not let us publish to this subject, and dropped what we did. */
  forbidden(subject: string, error: OctavoError): void;
}

/** What comes on one subject, until it is ended. */
export interface NatsSubscription {
  /** Nothing more comes, from now on. */
  end(): void;
  /** Has the server send no more, and resolves when what it sent before was delivered. */
  drain(): Promise<void>;
}

export interface NatsSubscribeOptions {
  /** Those with the same one share what comes. @defaultValue each gets all */
  readonly queue?: string;
  /** Called when the server forbids it. */
  readonly refused?: (error: OctavoError) => void;
}

/**
 * One owner's share in a connection to a NATS server, for whatever stands on one.
 *
 * Core NATS keeps nothing: what is published while the connection is down is refused, not kept. Subscriptions outlive a reconnect.
 * Without flow control of its own, it trusts its owner to bound what is under way.
 */
export class NatsClient {
  /** Its servers, without credentials. */
  readonly where: string;
  readonly #who: string;
  readonly #options: NatsOptions;
  readonly #parts: NatsParts;
  readonly #connections: NatsConnections;
  readonly #events: NatsEvents;
  readonly #subscriptions = new Set<Subscription>();
  #lease: Lease<SharedNatsConnection> | undefined;
  #connection: SharedNatsConnection | undefined;
  #leave: (() => void) | undefined;
  #confirming: Promise<void> | undefined;
  /** What fails each flush that is waited for. */
  readonly #flushes = new Set<(error: OctavoError) => void>();

  /** @param who what errors call its owner: `the nats transport` */
  constructor(who: string, options: NatsOptions, parts: NatsParts, events: NatsEvents) {
    this.#who = who;
    this.#options = options;
    this.#parts = parts;
    this.#connections = parts.connections ?? new NatsConnections();
    this.#events = events;
    this.where = nameServers(serversOf(options));
  }

  /** Whether something can be published now. */
  get up(): boolean {
    return this.#connection?.up === true;
  }

  /** Bytes of the largest message that the server takes. */
  get maxPayload(): number {
    const info = this.#connection && libraryOf(this.#connection).info;
    return info?.max_payload ?? 1024 * 1024;
  }

  /** The library's `NatsConnection`, for what is built on it. Throws `unavailable` while it is down, as that would keep what is published. */
  get library(): object {
    return this.#library();
  }

  /**
   * Connects, or joins those who have. Rejects with `unauthenticated` at once when the server does not know us, with `unavailable` that says
   * what was tried for how long when there is no server.
   */
  async start(): Promise<void> {
    if (this.#lease !== undefined) return void (await this.#lease.ready);
    const { addresses, user, pass, token, tls } = this.#options;
    const lease = this.#connections.lease([addresses, user, pass, token, tls], {
      open: (signal) => SharedNatsConnection.open(this.#who, this.#options, this.#parts, signal),
      close: (connection) => connection.close(),
    });
    this.#lease = lease;
    let connection: SharedNatsConnection;
    try {
      connection = await lease.ready;
      // Somebody else's may be down just now.
      const { connectTimeoutMs = 5_000 } = this.#options;
      if (!(await connection.whenUp(connectTimeoutMs)))
        throw this.#unavailable(
          `the connection is down, and did not come back within ${connectTimeoutMs} ms`,
        );
    } catch (reason) {
      if (this.#lease === lease) this.#lease = undefined;
      await lease.release();
      throw reason;
    }
    if (this.#lease !== lease)
      throw new OctavoError('unavailable', `${this.#who} was stopped while it connected to ${this.where}`);
    this.#connection = connection;
    this.#leave = connection.join({
      down: (why) => this.#events.down(this.#unavailable(why)),
      up: () => this.#events.up?.(),
      complaint: (error) => this.#complaint(error),
    });
  }

  /** Ends its subscriptions, and the connection where nobody else stands on it. */
  async stop(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#connection = undefined;
    this.#leave?.();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions.clear();
    for (const fail of [...this.#flushes]) fail(this.#unavailable('it was stopped'));
    await lease?.release();
  }

  /**
   * Publishes, in order. The bytes are the connection's from then on.
   *
   * @param reply where an answer goes, and the server's word that nobody listens
   * @throws `unavailable` while there is no connection, `resource_exhausted` for more bytes than the server takes
   */
  publish(subject: string, data: Uint8Array, reply = ''): void {
    const library = this.#library();
    this.checkSize(data.length);
    try {
      library.publish(subject, data, reply === '' ? {} : { reply });
    } catch (cause) {
      throw new OctavoError('invalid_argument', `cannot publish to "${subject}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /** @throws `resource_exhausted` for more bytes than the server takes */
  checkSize(bytes: number): void {
    if (bytes > this.maxPayload)
      throw new OctavoError(
        'resource_exhausted',
        `a message of ${bytes} bytes on the wire: the server at ${this.where} takes ${this.maxPayload} (its max_payload)`,
      );
  }

  /** Calls `deliver` for whatever comes on a subject. Also while the connection is down, for the next one. */
  subscribe(
    subject: string,
    deliver: (message: NatsMessage) => void,
    { queue, refused }: NatsSubscribeOptions = {},
  ): NatsSubscription {
    const subscription = libraryOf(this.#started()).subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => {
        // A throw here would end the reading of the whole connection.
        try {
          if (error === null) deliver(received(message));
          else refused?.(forbidden(subject, error));
        } catch (reason) {
          this.#parts.logger.error('handling a message from NATS failed', { error: reason, subject });
        }
      },
    });
    this.#subscriptions.add(subscription);
    const end = (): void => {
      this.#subscriptions.delete(subscription);
      subscription.unsubscribe();
    };
    const drain = async (): Promise<void> => {
      try {
        if (this.up) await subscription.drain();
      } catch {
        // Without a connection nothing more comes either.
      } finally {
        end();
      }
    };
    return { end, drain };
  }

  /** Resolves when the server has everything that was published before. Rejects with `unavailable` when the connection breaks, or it is stopped. */
  async flush(): Promise<void> {
    const library = this.#library();
    let leave = (): void => {};
    // The library forgets who waits when it closes.
    const stopped = new Promise<never>((_, reject) => {
      this.#flushes.add(reject);
      leave = () => this.#flushes.delete(reject);
    });
    try {
      await Promise.race([library.flush(), stopped]);
    } catch (reason) {
      throw reason instanceof OctavoError ? reason : this.#unavailable(messageOf(reason));
    } finally {
      leave();
    }
  }

  /** As {@link flush}, one for all who ask in one turn of the event loop. What the server forbids of it was told by then. */
  confirm(): Promise<void> {
    return (this.#confirming ??= this.#confirm());
  }

  async #confirm(): Promise<void> {
    // After what the others publish now.
    await Promise.resolve();
    this.#confirming = undefined;
    await this.flush();
    // The server says what it forbids before it answers, and the library tells it a little later.
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }

  #library(): NatsConnection {
    const connection = this.#started();
    if (!connection.up) throw this.#unavailable('the connection is down', false);
    return libraryOf(connection);
  }

  #started(): SharedNatsConnection {
    if (this.#connection === undefined)
      throw new OctavoError('unavailable', `${this.#who} is not started`, { executed: false });
    return this.#connection;
  }

  #unavailable(why: string, executed?: false): OctavoError {
    return new OctavoError(
      'unavailable',
      `${this.#who} has no NATS server at ${this.where}: ${why}`,
      executed === false ? { executed } : {},
    );
  }

  #complaint(error: Error): void {
    const { operation, subject } = error as Partial<PermissionViolationError>; // or any other
    if (operation === 'publish' && subject !== undefined)
      this.#events.forbidden(subject, forbidden(subject, error));
  }
}

function libraryOf({ library }: SharedNatsConnection): NatsConnection {
  // That is what it is, and what its type does not say to those who have no library.
  return library as NatsConnection;
}

function received(message: Msg): NatsMessage {
  const { data, subject, headers } = message;
  const status = headers?.code ?? 0;
  return {
    subject,
    reply: message.reply ?? '',
    data,
    refused: data.length === 0 && status === 503,
    status,
    header: (name) => headers?.get(name) ?? '',
  };
}

function forbidden(subject: string, cause: Error): OctavoError {
  return new OctavoError('permission_denied', `the NATS server forbids "${subject}": ${cause.message}`, {
    cause,
  });
}
