import type { ConnectionOptions } from 'node:tls';
import type { Redis, RedisOptions as LibraryOptions } from 'ioredis';
import type { RedisOptions, RedisParts } from './redis-options.js';
import { OctavoError } from './error.js';
import { peer } from './peer.js';
import { connectorTo } from './redis-connector.js';
import { parseRedis, shownRedis, type RedisAddress } from './redis-address.js';
import { bare, isReply, messageOf, noServer, redisFault, whyNot, type RedisOwner } from './redis-fault.js';
import { Certificates, checkOf } from './tls.js';

/** What the owner of a connection is told. */
export interface RedisEvents {
  /** A connection is there, a first one or another one. It counts as up when this resolves, and is given up when it rejects. */
  up(redis: Redis): Promise<void>;
  /** The connection is gone, and with it everything that was under way. It comes back by itself. */
  down?(error: OctavoError): void;
}

const DEFAULT_ADDRESS = '127.0.0.1:6379';
/** How long after a failed attempt the next one is made. */
const RETRY_MS = 250;
/** How long one attempt to connect may take. */
const ATTEMPT_MS = 2_000;
/** How often a server is asked for a sign of life, and how long it may take to give one. */
const PING_MS = 1_000;
const PONG_MS = 2_000;

/**
 * A connection to a Redis server that comes back by itself, for whatever stands on one.
 *
 * What is sent while it is down is refused, not kept, and what was under way when it broke is rejected, not sent again: both are for the owner.
 */
export class RedisLine {
  /** Its servers, without credentials. */
  readonly where: string;
  readonly #options: RedisOptions;
  readonly #addresses: readonly RedisAddress[];
  readonly #parts: RedisParts;
  readonly #events: RedisEvents;
  readonly #certificates: Certificates | undefined;
  readonly #owner: RedisOwner;
  #redis: Redis | undefined;
  #turn = 0;
  #ending = new AbortController();
  #waiting: (() => void)[] = [];

  /** @param who what errors call its owner: `the redis broker` */
  constructor(who: string, options: RedisOptions, parts: RedisParts, events: RedisEvents) {
    this.#options = options;
    this.#parts = parts;
    this.#events = events;
    this.#addresses = (options.addresses ?? [DEFAULT_ADDRESS]).map(parseRedis);
    this.where = this.#addresses.map(shownRedis).join(', ');
    const { tls = this.#addresses.some((each) => each.tls) ? {} : undefined } = options;
    this.#certificates = tls && new Certificates(who, tls, parts);
    this.#owner = { who, where: this.where, secure: tls !== undefined };
  }

  /** Whether something can be sent now. */
  get up(): boolean {
    return this.#redis !== undefined;
  }

  /** The connection. @throws `unavailable` while there is none */
  get redis(): Redis {
    if (this.#redis === undefined) throw this.#unavailable('the connection is down', false);
    return this.#redis;
  }

  /**
   * Connects. Rejects with `unauthenticated` at once when the server does not know us, with `unavailable` that says what was tried for how
   * long when there is no server.
   */
  async start(): Promise<void> {
    const { connectTimeoutMs = 5_000 } = this.#options;
    const { clock } = this.#parts;
    const turn = ++this.#turn;
    this.#ending = new AbortController();
    await this.#certificates?.start();
    const begin = clock.now();
    for (let attempt = 0; ; attempt++)
      try {
        return await this.#connect(attempt, turn);
      } catch (cause) {
        if (cause instanceof OctavoError && cause.code !== 'unavailable') throw cause;
        const ms = Math.round(clock.now() - begin);
        if (ms + RETRY_MS > connectTimeoutMs || turn !== this.#turn)
          throw new OctavoError(
            'unavailable',
            `${this.#owner.who} found no Redis server at ${this.where} within ${ms} ms: ${whyNot(this.#owner, cause)}`,
            { cause: bare(cause) },
          );
        await this.#pause();
      }
  }

  async stop(): Promise<void> {
    this.#turn++;
    this.#ending.abort();
    this.#wake();
    const redis = this.#redis;
    this.#redis = undefined;
    redis?.disconnect();
    this.#certificates?.stop();
  }

  /** Resolves when there is a connection; at once when there is one, and when it is stopped. */
  async ready(): Promise<void> {
    if (this.#redis === undefined && !this.#ending.signal.aborted)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** What a command's rejection means. */
  fault(reason: unknown): OctavoError {
    return redisFault(this.#owner, reason);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #unavailable(why: string, executed?: false): OctavoError {
    return noServer(this.#owner, why, executed);
  }

  async #connect(attempt: number, turn: number): Promise<void> {
    const { Redis, AbstractConnector } = await peer(this.#owner.who, 'ioredis', () => import('ioredis'));
    const address = this.#addresses[attempt % this.#addresses.length] ?? parseRedis(DEFAULT_ADDRESS);
    const tls = await this.#tls(address);
    const { host, port } = address;
    const Connector = connectorTo(AbstractConnector, { host, port, ...(tls && { tls }) });
    if (turn !== this.#turn) throw this.#unavailable('it was stopped while it connected');
    const redis = new Redis({ ...this.#libraryOptions(address), Connector });
    let last: unknown;
    // Without a listener the library writes to the console.
    redis.on('error', (reason: unknown) => (last = reason));
    const ms = this.#attemptMs;
    const timer = this.#parts.clock.after(ms, () => {
      last = new Error(`no answer within ${ms} ms`);
      redis.disconnect();
    });
    const stop = (): void => redis.disconnect();
    this.#ending.signal.addEventListener('abort', stop, { once: true });
    try {
      await redis.connect();
      // Answers only to whom the server knows.
      await redis.ping();
      if (turn === this.#turn) await this.#events.up(redis);
    } catch (reason) {
      redis.disconnect();
      const cause = isReply(reason) ? reason : (last ?? reason);
      throw isReply(cause) ? this.fault(cause) : cause;
    } finally {
      timer.cancel();
      this.#ending.signal.removeEventListener('abort', stop);
    }
    if (turn !== this.#turn || redis.status !== 'ready') {
      redis.disconnect();
      throw this.#unavailable(
        turn === this.#turn ? 'the connection broke' : 'it was stopped while it connected',
      );
    }
    this.#redis = redis;
    this.#wake();
    redis.once('close', () => void this.#again(redis, turn));
    void this.#watch(redis);
  }

  get #attemptMs(): number {
    return Math.min(ATTEMPT_MS, this.#options.connectTimeoutMs ?? ATTEMPT_MS);
  }

  async #tls({ host }: RedisAddress): Promise<ConnectionOptions | undefined> {
    const certificates = this.#certificates;
    return (
      certificates && {
        ...checkOf(host, certificates.policy),
        secureContext: await certificates.forClient(),
      }
    );
  }

  #libraryOptions(address: RedisAddress): LibraryOptions {
    const { user = address.user, pass = address.pass, db = address.db } = this.#options;
    return {
      // As it waits for the event of a socket that speaks TLS.
      ...(this.#certificates && { tls: {} }),
      lazyConnect: true,
      connectionName: 'octavo',
      connectTimeout: this.#attemptMs,
      // All that the library would do by itself when a connection breaks is done here.
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      disableClientInfo: true,
      // Whoever may read no INFO is told LOADING by the first ping.
      enableReadyCheck: false,
      protocol: 2,
      ...(user !== undefined && { username: user }),
      ...(pass !== undefined && { password: pass }),
      ...(db !== undefined && { db }),
    };
  }

  /** A connection broke: makes another one, however long that takes. */
  async #again(redis: Redis, turn: number): Promise<void> {
    if (this.#redis !== redis || turn !== this.#turn) return;
    this.#redis = undefined;
    const { logger } = this.#parts;
    logger.warn('disconnected from Redis', { server: this.where });
    this.#events.down?.(this.#unavailable('the connection broke'));
    let before = '';
    for (let attempt = 0; turn === this.#turn; attempt++) {
      try {
        await this.#connect(attempt, turn);
        logger.info('connected to Redis again', { server: this.where });
        return;
      } catch (error) {
        const text = messageOf(error);
        // A password may be put right while we try.
        if (turn === this.#turn && text !== before)
          logger.warn('Redis cannot be reached', { server: this.where, error: text });
        before = text;
      }
      await this.#pause();
    }
  }

  /** Waits before the next attempt; not when it is stopped. */
  async #pause(): Promise<void> {
    try {
      await this.#parts.clock.sleep(RETRY_MS, this.#ending.signal);
    } catch {
      // Whoever waits looks whether its turn is over.
    }
  }

  /** Notices a server that hangs: what it does not answer breaks the connection. */
  async #watch(redis: Redis): Promise<void> {
    const { clock, logger } = this.#parts;
    while (this.#redis === redis) {
      const timer = clock.after(
        PONG_MS,
        () => {
          logger.warn('the Redis server does not answer', { server: this.where, ms: PONG_MS });
          redis.disconnect();
        },
        { background: true },
      );
      try {
        await redis.ping();
        timer.cancel();
        await clock.sleep(PING_MS, this.#ending.signal);
      } catch {
        timer.cancel();
        return;
      }
    }
  }
}
