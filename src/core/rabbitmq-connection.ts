import type { Connection, ConnectionOptions } from 'rabbitmq-client';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { Clock } from './clock.js';
import { declareInjectable } from './dependencies.js';
import { OctavoError } from './error.js';
import type { Logger } from './logger.js';
import { peer } from './peer.js';
import type { RabbitChannel } from './rabbitmq-channel.js';
import { parseRabbitAddress, shownAddress, type RabbitAddress } from './rabbitmq-address.js';
import { Shared } from './shared.js';
import { Certificates, type DialTls } from './tls.js';
import { tlsFault } from './tls-fault.js';

/** How a TLS connection is checked, and who we say that we are. */
export type RabbitTls = DialTls;

/** Where a RabbitMQ server is, and how it is reached. */
export interface RabbitOptions {
  /** Nodes of one cluster, `host:port`, `amqp://user:pass@host:port/vhost` or `amqps://...`; they are tried in turn. @defaultValue `['127.0.0.1:5672']` */
  readonly addresses?: readonly string[];
  /** Who we are. @defaultValue `'guest'`, whom a server knows only on its own machine */
  readonly user?: string;
  readonly pass?: string;
  /** The virtual host, a world of its own with exchanges and queues. @defaultValue `'/'` */
  readonly vhost?: string;
  /** Certificates; `{}` is TLS with what Node knows. @defaultValue TLS where an address begins with `amqps://` */
  readonly tls?: RabbitTls;
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
  /** How often each side shows that it lives, in seconds; one that is silent for two and a half times as long is gone. The server may insist on less. @defaultValue `5` */
  readonly heartbeatSeconds?: number;
  /** Bytes of one AMQP frame, in which a header must fit. Not more than the server's `frame_max`. @defaultValue 128 KiB, as the server's */
  readonly frameMax?: number;
}

export interface RabbitConnectionParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What those who share a connection are told. */
export interface RabbitConnectionEvents {
  /** It is gone, and every channel with it. It comes back by itself. @param unreadable whether that was for something that came and cannot be read */
  down(why: string, unreadable: boolean): void;
  /** It is there again, without channels; or the server takes something again. */
  up(): void;
}

const DEFAULT_ADDRESS = '127.0.0.1:5672';
/** How long after a failed attempt the next one is made. */
const RETRY_MS = 250;
/** How long one attempt to connect may take, and a connection to close. */
const ATTEMPT_MS = 2_000;
/** Of one that was up: the first attempt comes so soon, the later ones not much later. */
const AGAIN_MS = { retryLow: 100, retryHigh: 500 };

/** The servers that options name. Throws `invalid_argument` for what is no address. */
export function rabbitServersOf({ addresses = [DEFAULT_ADDRESS] }: RabbitOptions): readonly RabbitAddress[] {
  return addresses.map(parseRabbitAddress);
}

/** The servers as logs and errors name them. */
export function nameRabbitServers(servers: readonly RabbitAddress[]): string {
  return servers.map(shownAddress).join(', ');
}

/** A connection to a RabbitMQ server that was opened, and whether it is up. */
export class SharedRabbitConnection {
  readonly #library: Connection;
  readonly #where: string;
  readonly #parts: RabbitConnectionParts;
  readonly #sharers = new Set<RabbitConnectionEvents>();
  #up = true;
  #unreadable = false;
  #blocked: string | undefined;

  private constructor(library: Connection, where: string, parts: RabbitConnectionParts) {
    this.#library = library;
    this.#where = where;
    this.#parts = parts;
    library.on('error', (error: Error) => this.#failed(error));
    library.on('connection', () => this.#back());
    library.on('connection.blocked', (reason) => {
      this.#blocked = reason;
      parts.logger.warn('RabbitMQ takes nothing more for now', { server: where, reason });
    });
    library.on('connection.unblocked', () => {
      this.#blocked = undefined;
      parts.logger.info('RabbitMQ goes on', { server: where });
      // What closed meanwhile could not be opened again.
      for (const sharer of [...this.#sharers]) sharer.up();
    });
  }

  /**
   * Connects. Rejects with `unauthenticated` at once when the server does not know us, with `not_found` or `permission_denied` for the vhost, with
   * `unavailable` that says what was tried for how long when there is no server.
   *
   * @param who what errors call whoever asks for it first: `the rabbitmq broker`
   */
  static async open(
    who: string,
    options: RabbitOptions,
    parts: RabbitConnectionParts,
    signal: AbortSignal,
  ): Promise<SharedRabbitConnection> {
    const servers = rabbitServersOf(options);
    const where = nameRabbitServers(servers);
    const { tls = servers.some((each) => each.tls) ? {} : undefined, connectTimeoutMs = 5_000 } = options;
    const certificates = tls && new Certificates(who, tls, parts);
    const { Connection } = await peer(who, 'rabbitmq-client', () => import('rabbitmq-client'));
    const { clock } = parts;
    const begin = clock.now();
    const given = await connectionOptions(options, servers, certificates);
    for (;;) {
      const library = new Connection(given);
      // Which may emit more of them, and unheard each would end the process.
      library.on('error', () => {});
      const failed = await firstWord(library, signal);
      if (failed === undefined) return new SharedRabbitConnection(library, where, parts);
      library.unsafeDestroy();
      const refusal = refusalOf(who, where, failed);
      if (refusal !== undefined) throw refusal;
      const ms = Math.round(clock.now() - begin);
      if (ms + RETRY_MS > connectTimeoutMs || signal.aborted)
        throw new OctavoError(
          'unavailable',
          `${who} found no RabbitMQ server at ${where} within ${ms} ms: ${tlsFault(where, failed) ?? `${failed.message}: start one, or set addresses`}`,
          { cause: failed },
        );
      await clock.sleep(RETRY_MS);
    }
  }

  get up(): boolean {
    return this.#up;
  }

  /** Whether it broke, the last time, for something that came and cannot be read. */
  get unreadable(): boolean {
    return this.#unreadable;
  }

  /** Why the server takes nothing more for now, where it says so: it is short of memory or disk. */
  get blocked(): string | undefined {
    return this.#blocked;
  }

  /** A new channel. Its owner listens to its errors, and closes it. */
  channel(): Promise<RabbitChannel> {
    return this.#library.acquire({ emitErrorsFromChannel: true });
  }

  /** Tells one more of what happens, until the returned function is called. */
  join(sharer: RabbitConnectionEvents): () => void {
    this.#sharers.add(sharer);
    return () => this.#sharers.delete(sharer);
  }

  /** Closes it, after its channels; a server that does not answer is not waited for. */
  async close(): Promise<void> {
    const wasUp = this.#up;
    this.#up = false;
    if (wasUp && this.#blocked === undefined)
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
    this.#library.unsafeDestroy();
  }

  /** Only the first error of an outage is told. */
  #failed(error: Error): void {
    if (!this.#up || this.#library.ready) return;
    this.#up = false;
    this.#blocked = undefined;
    this.#parts.logger.warn('disconnected from RabbitMQ', { server: this.#where, error: error.message });
    // What comes of the server or the network has a code; what the library trips over has none.
    this.#unreadable = !('code' in error);
    for (const sharer of [...this.#sharers]) sharer.down(error.message, this.#unreadable);
  }

  #back(): void {
    if (this.#up) return;
    this.#up = true;
    this.#parts.logger.info('connected to RabbitMQ again', { server: this.#where });
    for (const sharer of [...this.#sharers]) sharer.up();
  }
}

/** The connections of one app: one for each set of options, whoever stands on it. */
export class RabbitConnections extends Shared<SharedRabbitConnection> {}
declareInjectable(RabbitConnections);

/** Waits until it is connected, or has failed once, which is the error. */
function firstWord(library: Connection, signal: AbortSignal): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const given = (error?: Error): void => {
      library.removeListener('connection', given);
      library.removeListener('error', given);
      signal.removeEventListener('abort', stopped);
      resolve(error);
    };
    const stopped = (): void => given(new Error('it was stopped meanwhile'));
    library.on('connection', given);
    library.on('error', given);
    signal.addEventListener('abort', stopped);
    if (signal.aborted) stopped();
  });
}

/** What no further try would put right. */
function refusalOf(who: string, where: string, cause: Error): OctavoError | undefined {
  // The library's errors carry the server's code; Node's carry others.
  const { code } = cause as { code?: unknown };
  if (code === 'ACCESS_REFUSED')
    return new OctavoError(
      'unauthenticated',
      `the RabbitMQ server at ${where} refused ${who}: wrong user or password`,
      { cause },
    );
  if (code !== 'NOT_ALLOWED' && code !== 'INVALID_PATH') return undefined;
  const missing = /not found/.test(cause.message);
  return new OctavoError(
    missing ? 'not_found' : 'permission_denied',
    `the RabbitMQ server at ${where} refused ${who}: ${cause.message}: ${missing ? 'make that vhost, or set another' : 'give the user the right, or set another vhost'}`,
    { cause },
  );
}

async function connectionOptions(
  options: RabbitOptions,
  servers: readonly RabbitAddress[],
  certificates: Certificates | undefined,
): Promise<ConnectionOptions> {
  const named = { ...servers.find(({ user }) => user !== undefined), ...options };
  const { user = 'guest', pass = 'guest' } = named;
  const vhost = options.vhost ?? servers.find((each) => each.vhost !== undefined)?.vhost ?? '/';
  const [first] = servers;
  if (servers.length > 1 && servers.some(({ host }) => host.includes(':')))
    throw new OctavoError(
      'invalid_argument',
      'an IPv6 address of a RabbitMQ server stands alone in addresses: give the others as names, or one only',
    );
  return {
    // The library takes what stands behind a colon in a list for a port.
    ...(servers.length === 1
      ? { hostname: first?.host ?? '', port: first?.port ?? 0 }
      : { hosts: servers.map(({ host, port }) => `${host}:${port}`) }),
    username: user,
    password: pass,
    vhost,
    connectionName: 'octavo',
    noDelay: true,
    heartbeat: options.heartbeatSeconds ?? 5,
    frameMax: options.frameMax ?? 128 * 1024,
    connectionTimeout: Math.min(ATTEMPT_MS, options.connectTimeoutMs ?? ATTEMPT_MS),
    acquireTimeout: ATTEMPT_MS,
    ...AGAIN_MS,
    ...(certificates && { tls: await secured(certificates, servers) }),
  };
}

/** What Node is told of TLS. */
async function secured(
  certificates: Certificates,
  servers: readonly RabbitAddress[],
): Promise<NonNullable<Exclude<ConnectionOptions['tls'], boolean>>> {
  await certificates.start();
  const { serverName, verify } = certificates.policy;
  const hosts = servers.map(({ host }) => host);
  const [host = ''] = hosts;
  const name = serverName ?? (hosts.length === 1 ? host : '');
  return {
    // An IP address may not be told: RFC 6066 section 3.
    servername: isIP(name) === 0 ? name : '',
    rejectUnauthorized: verify,
    // The library opens connections by itself, too, and asks each time.
    get secureContext() {
      return certificates.current();
    },
    checkServerIdentity(dialled, certificate) {
      const names = serverName !== undefined ? [serverName] : hosts.includes(dialled) ? [dialled] : hosts;
      const faults = names.map((name) => checkServerIdentity(name, certificate));
      return faults.includes(undefined) ? undefined : faults[0];
    },
  };
}
