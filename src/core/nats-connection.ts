import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import type { Clock } from './clock.js';
import { declareInjectable } from './dependencies.js';
import { OctavoError } from './error.js';
import type { Logger } from './logger.js';
import { parseServer, type ServerAddress } from './nats-address.js';
import { secured, tlsFaultIn } from './nats-tls.js';
import { peer } from './peer.js';
import { Shared } from './shared.js';
import { Certificates, type DialTls } from './tls.js';

/** How a TLS connection is checked, and who we say that we are. */
export type NatsTls = DialTls;

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

export interface NatsConnectionParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What those who share a connection are told. */
export interface NatsConnectionEvents {
  /** It is gone, and with it everything that was under way. It comes back by itself. */
  down(why: string): void;
  /** It is there again, and all subscriptions with it. */
  up(): void;
  /** The server says that something is wrong. */
  complaint(error: Error): void;
}

const DEFAULT_ADDRESS = '127.0.0.1:4222';
/** How long after a failed attempt the next one is made. */
const RETRY_MS = 250;
/** How long one attempt to connect may take, and a connection to close. */
const ATTEMPT_MS = 2_000;
/** A server that leaves two pings in a row unanswered is gone. */
const PING_MS = 1_000;
const PINGS = 2;

/** The servers that options name. Throws `invalid_argument` for what is no address. */
export function serversOf({ addresses = [DEFAULT_ADDRESS] }: NatsOptions): readonly ServerAddress[] {
  return addresses.map(parseServer);
}

/** The servers as logs and errors name them. */
export function nameServers(servers: readonly ServerAddress[]): string {
  return servers.map(({ server }) => server).join(', ');
}

/** A connection to a NATS server that was opened, and whether it is up. */
export class SharedNatsConnection {
  /** The library's `NatsConnection`, whose types are for those who have the library. */
  readonly library: object;
  readonly #library: NatsConnection;
  readonly #where: string;
  readonly #parts: NatsConnectionParts;
  readonly #sharers = new Set<NatsConnectionEvents>();
  #up = true;
  #closed = false;

  private constructor(library: NatsConnection, where: string, parts: NatsConnectionParts) {
    this.library = library;
    this.#library = library;
    this.#where = where;
    this.#parts = parts;
    void this.#follow();
  }

  /**
   * Connects. Rejects with `unauthenticated` at once when the server does not know us, with `unavailable` that says what was tried for how
   * long when there is no server.
   *
   * @param who what errors call whoever asks for it first: `the nats transport`
   */
  static async open(
    who: string,
    options: NatsOptions,
    parts: NatsConnectionParts,
    signal: AbortSignal,
  ): Promise<SharedNatsConnection> {
    const servers = serversOf(options);
    const where = nameServers(servers);
    const { tls = servers.some((each) => each.tls) ? {} : undefined } = options;
    const certificates = tls && new Certificates(who, tls, parts);
    const { connect, errors } = await peer(
      who,
      '@nats-io/transport-node',
      () => import('@nats-io/transport-node'),
    );
    const { connectTimeoutMs = 5_000 } = options;
    const { clock } = parts;
    const begin = clock.now();
    for (;;) {
      try {
        // Fresh ones each time: connecting changes them.
        const library = await connect(await connectionOptions(options, servers, certificates));
        return new SharedNatsConnection(library, where, parts);
      } catch (cause) {
        if (cause instanceof errors.AuthorizationError)
          throw new OctavoError(
            'unauthenticated',
            `the NATS server at ${where} refused ${who}: wrong user, password or token`,
            { cause },
          );
        if (cause instanceof OctavoError) throw cause;
        const ms = Math.round(clock.now() - begin);
        if (ms + RETRY_MS > connectTimeoutMs || signal.aborted)
          throw new OctavoError(
            'unavailable',
            `${who} found no NATS server at ${where} within ${ms} ms: ${tlsFaultIn(where, cause) ?? `${messageOf(cause)}: start one, or set addresses`}`,
            { cause },
          );
        await clock.sleep(RETRY_MS);
      }
    }
  }

  get up(): boolean {
    return this.#up;
  }

  /** Tells one more of what happens, until the returned function is called. */
  join(sharer: NatsConnectionEvents): () => void {
    this.#sharers.add(sharer);
    return () => this.#sharers.delete(sharer);
  }

  /** Waits until it is up, for so long. Says whether it came to that. */
  whenUp(ms: number): Promise<boolean> {
    if (this.#up) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (up: boolean): void => {
        timer.cancel();
        leave();
        resolve(up);
      };
      const leave = this.join({ up: () => settle(true), down: () => {}, complaint: () => {} });
      const timer = this.#parts.clock.after(ms, () => settle(false));
    });
  }

  /** Closes it; a server that does not answer is not waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#up = false;
    await new Promise<void>((resolve) => {
      const timer = this.#parts.clock.after(ATTEMPT_MS, resolve, { background: true });
      void this.#library
        .close()
        .catch(() => {})
        .finally(() => {
          timer.cancel();
          resolve();
        });
    });
  }

  async #follow(): Promise<void> {
    const { logger } = this.#parts;
    for await (const status of this.#library.status()) {
      if (this.#closed) return;
      if (status.type === 'disconnect') this.#down('the connection broke');
      else if (status.type === 'reconnect') {
        this.#up = true;
        logger.info('connected to NATS again', { server: status.server });
        for (const sharer of [...this.#sharers]) sharer.up();
      } else if (status.type === 'error') {
        logger.warn('the NATS server complains', { error: status.error.message });
        for (const sharer of [...this.#sharers]) sharer.complaint(status.error);
      }
    }
    if (!this.#closed) this.#down('the connection was given up');
  }

  #down(why: string): void {
    if (!this.#up) return;
    this.#up = false;
    this.#parts.logger.warn('disconnected from NATS', { server: this.#where });
    for (const sharer of [...this.#sharers]) sharer.down(why);
  }
}

/** The connections of one app: one for each set of options, whoever stands on it. */
export class NatsConnections extends Shared<SharedNatsConnection> {}
declareInjectable(NatsConnections);

async function connectionOptions(
  options: NatsOptions,
  servers: readonly ServerAddress[],
  certificates: Certificates | undefined,
): Promise<NodeConnectionOptions> {
  const { user, pass, token } = { ...servers.find((each) => each.user ?? each.token), ...options };
  return {
    servers: servers.map(({ server }) => server),
    name: 'octavo',
    timeout: Math.min(ATTEMPT_MS, options.connectTimeoutMs ?? ATTEMPT_MS),
    pingInterval: PING_MS,
    maxPingOut: PINGS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    // A password may be put right while we try.
    ignoreAuthErrorAbort: true,
    ...(user !== undefined && { user }),
    ...(pass !== undefined && { pass }),
    ...(token !== undefined && { token }),
    // The library hands on what it does not know to Node.
    ...(certificates && { tls: (await secured(certificates, servers)) as NodeConnectionOptions['tls'] }),
  };
}

/** What an error of the library says. */
export function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
