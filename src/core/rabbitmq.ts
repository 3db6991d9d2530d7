import { OctavoError, type Code } from './error.js';
import type { RabbitChannel } from './rabbitmq-channel.js';
import {
  nameRabbitServers,
  RabbitConnections,
  rabbitServersOf,
  SharedRabbitConnection,
  type RabbitConnectionParts,
  type RabbitOptions,
} from './rabbitmq-connection.js';
import type { Lease } from './shared.js';

export type { RabbitOptions } from './rabbitmq-connection.js';

export interface RabbitParts extends RabbitConnectionParts {
  /** What this owner's connection is shared through. @defaultValue shared with nobody */
  readonly connections?: RabbitConnections;
}

/** What an owner of a connection is told. */
export interface RabbitEvents {
  /** The connection is gone, and every channel with it. It comes back by itself. @param unreadable whether that was for something that came and cannot be read */
  down(error: OctavoError, unreadable: boolean): void;
  /** It is there again, or the server takes something again; channels that have closed are to be opened anew. */
  up(): void;
}

/** How long the server may take to answer a question. */
const ANSWER_MS = 10_000;
/** How long it may take to close a channel. */
const CLOSE_MS = 2_000;

/** By RabbitMQ's name of a refusal. */
const CODES: Readonly<Record<string, Code>> = {
  ACCESS_REFUSED: 'permission_denied',
  NOT_FOUND: 'not_found',
  RESOURCE_LOCKED: 'failed_precondition',
  PRECONDITION_FAILED: 'failed_precondition',
  CONTENT_TOO_LARGE: 'resource_exhausted',
  RESOURCE_ERROR: 'resource_exhausted',
  NOT_ALLOWED: 'permission_denied',
};

/** One owner's share in a connection to a RabbitMQ server, for whatever stands on one. */
export class RabbitClient {
  /** Its servers, without credentials. */
  readonly where: string;
  readonly #who: string;
  readonly #options: RabbitOptions;
  readonly #parts: RabbitParts;
  readonly #connections: RabbitConnections;
  readonly #events: RabbitEvents;
  #lease: Lease<SharedRabbitConnection> | undefined;
  #connection: SharedRabbitConnection | undefined;
  #leave: (() => void) | undefined;
  /** Whether the server did not answer the last goodbye: no other is waited for. */
  #deaf = false;

  /** @param who what errors call its owner: `the rabbitmq broker` */
  constructor(who: string, options: RabbitOptions, parts: RabbitParts, events: RabbitEvents) {
    this.#who = who;
    this.#options = options;
    this.#parts = parts;
    this.#connections = parts.connections ?? new RabbitConnections();
    this.#events = events;
    this.where = nameRabbitServers(rabbitServersOf(options));
  }

  /** Whether there is a connection now, and the server takes something. */
  get up(): boolean {
    return this.#connection?.up === true && this.#connection.blocked === undefined;
  }

  /**
   * Connects, or joins those who have. Rejects with `unauthenticated` at once when the server does not know us, with `unavailable` that says
   * what was tried for how long when there is no server.
   */
  async start(): Promise<void> {
    if (this.#lease !== undefined) return void (await this.#lease.ready);
    const { addresses, user, pass, vhost, tls, heartbeatSeconds, frameMax } = this.#options;
    const lease = this.#connections.lease([addresses, user, pass, vhost, tls, heartbeatSeconds, frameMax], {
      open: (signal) => SharedRabbitConnection.open(this.#who, this.#options, this.#parts, signal),
      close: (connection) => connection.close(),
    });
    this.#lease = lease;
    let connection: SharedRabbitConnection;
    try {
      connection = await lease.ready;
    } catch (reason) {
      if (this.#lease === lease) this.#lease = undefined;
      await lease.release();
      throw reason;
    }
    if (this.#lease !== lease)
      throw new OctavoError('unavailable', `${this.#who} was stopped while it connected to ${this.where}`);
    this.#connection = connection;
    this.#leave = connection.join({
      down: (why, unreadable) => this.#events.down(this.#unavailable(why), unreadable),
      up: () => {
        this.#deaf = false;
        this.#events.up();
      },
    });
  }

  /** Lets go of the connection, which closes where nobody else stands on it. The owner has closed its channels. */
  async stop(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#connection = undefined;
    this.#leave?.();
    await lease?.release();
  }

  /** @throws `unavailable` while there is no connection, and while the server is short of memory or disk and takes nothing */
  check(): void {
    const connection = this.#started();
    if (!connection.up) throw this.#unavailable('the connection is down', false);
    if (connection.blocked !== undefined)
      throw this.#unavailable(`it takes nothing now (${connection.blocked})`, false);
  }

  /**
   * A channel that was set up. Rejects, and leaves nothing behind, with what the server says or when it says nothing in time.
   *
   * @param purpose what errors call it: `subscribe to "greetings"`
   * @param setUp declares what is needed; when it fails the channel is closed
   * @param onClose called once when the channel that was given out has closed, also by {@link close}
   */
  async channel(
    purpose: string,
    setUp: (channel: RabbitChannel) => Promise<void>,
    onClose: () => void,
  ): Promise<RabbitChannel> {
    this.check();
    const opening = this.#started().channel();
    try {
      return await this.#within(this.#setUp(opening, setUp, onClose));
    } catch (reason) {
      void opening.then((channel) => this.close(channel)).catch(() => {});
      throw this.failure(`cannot ${purpose}`, reason);
    }
  }

  /**
   * Does something on a connection of its own, that may break.
   *
   * @param run is told, when the channel fails, whether that is for something that came and cannot be read
   */
  async spare<T>(run: (channel: RabbitChannel, broken: () => boolean) => Promise<T>): Promise<T> {
    const signal = new AbortController().signal;
    const connection = await SharedRabbitConnection.open(this.#who, this.#options, this.#parts, signal);
    try {
      const channel = await this.#within(connection.channel());
      channel.on('error', () => {});
      return await this.#within(run(channel, () => connection.unreadable));
    } finally {
      await connection.close();
    }
  }

  /** Waits for something that the server says, but not for ever. */
  ask<T>(purpose: string, asking: Promise<T>): Promise<T> {
    return this.#within(asking).catch((reason: unknown) => {
      throw this.failure(`cannot ${purpose}`, reason);
    });
  }

  /** Ends what a channel consumes; what it has not acknowledged it may yet. */
  async cancel(channel: RabbitChannel, consumerTag: string): Promise<void> {
    await this.#goodbye(channel, () => channel.basicCancel({ consumerTag }));
  }

  /** Deletes a queue that a channel has for itself. */
  async remove(channel: RabbitChannel, queue: string): Promise<void> {
    await this.#goodbye(channel, () => channel.queueDelete({ queue }));
  }

  /** Closes a channel; a server that does not answer is not waited for. What was not acknowledged on it is given to others. */
  async close(channel: RabbitChannel): Promise<void> {
    await this.#goodbye(channel, () => channel.close());
  }

  /** What went wrong, in words and with a code. */
  failure(what: string, cause: unknown): OctavoError {
    if (cause instanceof OctavoError) return cause;
    const { code, message } = cause as { code?: unknown; message?: unknown }; // whatever was thrown
    return new OctavoError(
      CODES[String(code)] ?? 'unavailable',
      `${this.#who} ${what}: the RabbitMQ server at ${this.where}: ${String(message)}`,
      { cause },
    );
  }

  async #goodbye(channel: RabbitChannel, say: () => Promise<unknown>): Promise<void> {
    if (!channel.active) return;
    const said = say().catch(() => {});
    // A server that takes nothing hears of it later.
    if (this.#deaf || !this.up) return;
    await this.#within(said, CLOSE_MS).catch(() => void (this.#deaf = true));
  }

  async #setUp(
    opening: Promise<RabbitChannel>,
    setUp: (channel: RabbitChannel) => Promise<void>,
    onClose: () => void,
  ): Promise<RabbitChannel> {
    const channel = await opening;
    // What nobody hears would end the process.
    channel.on('error', (error: Error) =>
      this.#parts.logger.warn('the RabbitMQ server closed a channel', {
        of: this.#who,
        error: error.message,
      }),
    );
    await setUp(channel);
    if (!channel.active) throw new Error('the channel closed while it was set up');
    channel.once('close', onClose);
    return channel;
  }

  #within<T>(asking: Promise<T>, ms = ANSWER_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#parts.clock.after(
        ms,
        () => reject(this.#unavailable(`it did not answer within ${ms} ms`)),
        { background: true },
      );
      asking.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  #started(): SharedRabbitConnection {
    if (this.#connection === undefined)
      throw new OctavoError('unavailable', `${this.#who} is not started`, { executed: false });
    return this.#connection;
  }

  #unavailable(why: string, executed?: false): OctavoError {
    return new OctavoError(
      'unavailable',
      `${this.#who} has no RabbitMQ server at ${this.where}: ${why}`,
      executed === false ? { executed } : {},
    );
  }
}
