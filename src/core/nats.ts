import { checkServerIdentity } from 'node:tls';
import type {
  Msg,
  NatsConnection,
  NodeConnectionOptions,
  PermissionViolationError,
} from '@nats-io/transport-node';
import type { Clock } from './clock.js';
import { OctavoError } from './error.js';
import type { Logger } from './logger.js';
import { parseServer, type ServerAddress } from './nats-address.js';
import { peer } from './peer.js';
import { Certificates, type IdentityCheck, type TlsOptions } from './tls.js';
import { tlsFault } from './tls-fault.js';

/** How a TLS connection is checked, and who we say that we are. */
export type NatsTls = Omit<TlsOptions, 'clientAuth'>;

/** Where a NATS server is, and how it is reached. */
export interface NatsOptions {
  /** Servers of one cluster, `host:port` or `nats://user:pass@host:port`; one is enough, it tells of the others. @defaultValue `['127.0.0.1:4222']` */
  readonly addresses?: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Certificates; `{}` insists on TLS with what Node knows. @defaultValue TLS where the server offers it */
  readonly tls?: NatsTls;
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
}

export interface NatsParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What came on a subject. */
export interface NatsMessage {
  readonly subject: string;
  /** Where an answer goes; empty for none. */
  readonly reply: string;
  readonly data: Uint8Array;
  /** The server says that nobody listened to what was published with this subject as its reply. */
  readonly refused: boolean;
}

/** What the owner of a connection is told. */
export interface NatsEvents {
  /** The connection is gone, and with it everything that was under way. It comes back by itself. */
  down(error: OctavoError): void;
  /** The server does not let us publish to this subject, and dropped what we did. */
  forbidden(subject: string, error: OctavoError): void;
}

const DEFAULT_ADDRESS = '127.0.0.1:4222';
/** How long after a failed attempt the next one is made. */
const RETRY_MS = 250;
/** How long one attempt to connect may take, and a connection to close. */
const ATTEMPT_MS = 2_000;
/** A server that leaves two pings in a row unanswered is gone. */
const PING_MS = 1_000;
const PINGS = 2;

/**
 * A connection to a NATS server, for whatever stands on one.
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
  readonly #events: NatsEvents;
  /** `undefined` where TLS is left to the server. */
  readonly #certificates: Certificates | undefined;
  #connection: NatsConnection | undefined;
  #up = false;
  /** Counts starts and stops, so that a start notices that it was overtaken. */
  #turn = 0;

  /** @param who what errors and the server's list of clients call its owner: `the nats transport` */
  constructor(who: string, options: NatsOptions, parts: NatsParts, events: NatsEvents) {
    this.#who = who;
    this.#options = options;
    this.#parts = parts;
    this.#events = events;
    const servers = (options.addresses ?? [DEFAULT_ADDRESS]).map(parseServer);
    this.where = servers.map(({ server }) => server).join(', ');
    const { tls = servers.some((each) => each.tls) ? {} : undefined } = options;
    this.#certificates = tls && new Certificates(who, tls, parts);
  }

  /** Whether something can be published now. */
  get up(): boolean {
    return this.#up;
  }

  /** Bytes of the largest message that the server takes. */
  get maxPayload(): number {
    return this.#connection?.info?.max_payload ?? 1024 * 1024;
  }

  /**
   * Connects. Rejects with `unauthenticated` at once when the server does not know us, with `unavailable` that says what was tried for how
   * long when there is no server.
   */
  async start(): Promise<void> {
    if (this.#connection !== undefined) return;
    const turn = ++this.#turn;
    const connection = await this.#connect(turn);
    if (turn !== this.#turn) {
      await this.#hangUp(connection);
      throw new OctavoError('unavailable', `${this.#who} was stopped while it connected to ${this.where}`);
    }
    this.#connection = connection;
    this.#up = true;
    void this.#follow(connection);
  }

  async stop(): Promise<void> {
    this.#turn++;
    const connection = this.#connection;
    this.#connection = undefined;
    this.#up = false;
    this.#certificates?.stop();
    if (connection !== undefined) await this.#hangUp(connection);
  }

  /**
   * Publishes, in order. The bytes are the connection's from then on.
   *
   * @param reply where an answer goes, and the server's word that nobody listens
   * @throws `unavailable` while there is no connection, `resource_exhausted` for more bytes than the server takes
   */
  publish(subject: string, data: Uint8Array, reply = ''): void {
    const connection = this.#connected();
    if (data.length > this.maxPayload)
      throw new OctavoError(
        'resource_exhausted',
        `a message of ${data.length} bytes on the wire: the server at ${this.where} takes ${this.maxPayload} (its max_payload)`,
      );
    try {
      connection.publish(subject, data, reply === '' ? {} : { reply });
    } catch (cause) {
      throw new OctavoError('invalid_argument', `cannot publish to "${subject}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /**
   * Calls `deliver` for whatever comes on a subject, until the returned function is called. Also while the connection is down, for the next one.
   *
   * @param refused called when the server forbids it
   */
  subscribe(
    subject: string,
    deliver: (message: NatsMessage) => void,
    refused?: (error: OctavoError) => void,
  ): () => void {
    const connection = this.#started();
    const subscription = connection.subscribe(subject, {
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
    return () => subscription.unsubscribe();
  }

  /** Resolves when the server has everything that was published before. Rejects with `unavailable` when the connection breaks. */
  async flush(): Promise<void> {
    try {
      await this.#connected().flush();
    } catch (reason) {
      throw reason instanceof OctavoError ? reason : this.#unavailable(messageOf(reason));
    }
  }

  #started(): NatsConnection {
    if (this.#connection === undefined)
      throw new OctavoError('unavailable', `${this.#who} is not started`, { executed: false });
    return this.#connection;
  }

  #connected(): NatsConnection {
    const connection = this.#started();
    if (!this.#up) throw this.#unavailable('the connection is down', false);
    return connection;
  }

  #unavailable(why: string, executed?: false): OctavoError {
    return new OctavoError(
      'unavailable',
      `${this.#who} has no NATS server at ${this.where}: ${why}`,
      executed === false ? { executed } : {},
    );
  }

  async #connect(turn: number): Promise<NatsConnection> {
    const { connectTimeoutMs = 5_000 } = this.#options;
    const { clock } = this.#parts;
    const { connect, errors } = await peer(
      this.#who,
      '@nats-io/transport-node',
      () => import('@nats-io/transport-node'),
    );
    const begin = clock.now();
    for (;;) {
      try {
        // Fresh ones each time: connecting changes them.
        return await connect(await this.#connectionOptions());
      } catch (cause) {
        if (cause instanceof errors.AuthorizationError)
          throw new OctavoError(
            'unauthenticated',
            `the NATS server at ${this.where} refused ${this.#who}: wrong user, password or token`,
            { cause },
          );
        if (cause instanceof OctavoError) throw cause;
        const ms = Math.round(clock.now() - begin);
        if (ms + RETRY_MS > connectTimeoutMs || turn !== this.#turn)
          throw new OctavoError(
            'unavailable',
            `${this.#who} found no NATS server at ${this.where} within ${ms} ms: ${tlsFaultIn(this.where, cause) ?? `${messageOf(cause)}: start one, or set addresses`}`,
            { cause },
          );
        await clock.sleep(RETRY_MS);
      }
    }
  }

  async #connectionOptions(): Promise<NodeConnectionOptions> {
    const { addresses = [DEFAULT_ADDRESS] } = this.#options;
    const servers = addresses.map(parseServer);
    const { user, pass, token } = { ...servers.find(({ user, token }) => user ?? token), ...this.#options };
    return {
      servers: servers.map(({ server }) => server),
      name: `octavo: ${this.#who}`,
      timeout: Math.min(ATTEMPT_MS, this.#options.connectTimeoutMs ?? ATTEMPT_MS),
      pingInterval: PING_MS,
      maxPingOut: PINGS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RETRY_MS,
      // A password may be put right while we try.
      ignoreAuthErrorAbort: true,
      ...(user !== undefined && { user }),
      ...(pass !== undefined && { pass }),
      ...(token !== undefined && { token }),
      ...(this.#certificates && { tls: await secured(this.#certificates, servers) }),
    };
  }

  async #follow(connection: NatsConnection): Promise<void> {
    const { logger } = this.#parts;
    for await (const status of connection.status()) {
      if (connection !== this.#connection) return;
      if (status.type === 'disconnect') this.#down('the connection broke');
      else if (status.type === 'reconnect') {
        this.#up = true;
        logger.info('connected to NATS again', { server: status.server });
      } else if (status.type === 'error') this.#complaint(status.error);
    }
    if (connection === this.#connection) this.#down('the connection was given up');
  }

  #complaint(error: Error): void {
    this.#parts.logger.warn('the NATS server complains', { error: error.message });
    const { operation, subject } = error as Partial<PermissionViolationError>; // or any other
    if (operation === 'publish' && subject !== undefined)
      this.#events.forbidden(subject, forbidden(subject, error));
  }

  #down(why: string): void {
    if (!this.#up) return;
    this.#up = false;
    this.#parts.logger.warn('disconnected from NATS', { server: this.where });
    this.#events.down(this.#unavailable(why));
  }

  /** Closes a connection; one to a server that does not answer is not waited for. */
  async #hangUp(connection: NatsConnection): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#parts.clock.after(ATTEMPT_MS, resolve, { background: true });
      void connection
        .close()
        .catch(() => {})
        .finally(() => {
          timer.cancel();
          resolve();
        });
    });
  }
}

/** What Node is told of TLS. Its own answers to whom an IP address belongs would be `localhost`, whatever was dialled. */
async function secured(
  certificates: Certificates,
  servers: readonly ServerAddress[],
): Promise<NodeConnectionOptions['tls']> {
  await certificates.start();
  const { serverName, verify } = certificates.policy;
  const hosts = servers.map(({ server }) => server.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
  const check: Pick<IdentityCheck, 'rejectUnauthorized' | 'checkServerIdentity'> = {
    rejectUnauthorized: verify,
    checkServerIdentity(host, certificate) {
      const names = serverName !== undefined ? [serverName] : host === 'localhost' ? hosts : [host];
      const faults = names.map((name) => checkServerIdentity(name, certificate));
      return faults.includes(undefined) ? undefined : faults[0];
    },
  };
  // The library hands on what it does not know to Node.
  return { ...check, secureContext: await certificates.forClient() } as NodeConnectionOptions['tls'];
}

/** What is wrong with TLS, where an error, or what it came of, says so. */
function tlsFaultIn(where: string, reason: unknown): string | undefined {
  if (!(reason instanceof Error)) return undefined;
  return tlsFault(where, reason) ?? tlsFaultIn(where, reason.cause);
}

function received(message: Msg): NatsMessage {
  const { data, subject } = message;
  return {
    subject,
    reply: message.reply ?? '',
    data,
    refused: data.length === 0 && message.headers?.code === 503,
  };
}

function forbidden(subject: string, cause: Error): OctavoError {
  return new OctavoError('permission_denied', `the NATS server forbids "${subject}": ${cause.message}`, {
    cause,
  });
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
