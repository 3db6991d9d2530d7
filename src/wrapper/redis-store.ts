import { createHash } from 'node:crypto';
import type { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { Lifecycle } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import { peer } from '../core/peer.js';
import { RedisLine } from '../core/redis.js';
import type { RedisOptions, RedisParts } from '../core/redis-options.js';
import { within } from '../core/within.js';
import type { Assembled } from './wrapper.js';
import { CLAIM, FINISH, TAKE } from './redis-store/scripts.js';

export interface RedisStoreOptions extends RedisOptions {
  /** What its keys begin with: limits of one service with the same rate, and events, are one where this is the same. @defaultValue `'octavo:'` */
  readonly prefix?: string;
  /** For how long a call waits for the server's word, in milliseconds. @defaultValue `250` */
  readonly timeoutMs?: number;
  /** Whether an app fails to start without its server; else it goes on looking for it. A server that does not know us fails every start. @defaultValue `false` */
  readonly required?: boolean;
}

/** How fast a bucket fills, as `ratelimit` has it. */
interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** How long a server that is not there at the start is left alone between two looks. */
const RETRY_MS = 250;
/** A longer name is not what a key needs. */
const LONGEST_NAME = 128;
const WHO = 'the redis store';

/**
 * Keeps limits and handled events in a Redis server, for all processes that name it. Needs `npm install ioredis rate-limiter-flexible`.
 *
 * Time is the server's own. It is open while an app runs in which a wrapper with it is attached, and only then.
 */
export class RedisStore {
  readonly #options: RedisStoreOptions;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #limiters = new Map<string, RateLimiterRedis>();
  #Limiter: typeof RateLimiterRedis | undefined;
  #parts: RedisParts | undefined;
  #line: RedisLine | undefined;
  #starting: Promise<void> | undefined;
  /** How many apps it is open for. */
  #users = 0;

  constructor(options: RedisStoreOptions = {}) {
    this.#options = options;
    const { prefix = 'octavo:', timeoutMs = 250 } = options;
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
  }

  readonly joins = ({ resolve }: Assembled): Lifecycle => {
    const parts = { clock: resolve(Clock), logger: resolve(Logger) };
    let open = false;
    return {
      start: async () => {
        open = true;
        if (this.#users++ === 0) this.#starting = this.#start(parts);
        await this.#starting;
      },
      stop: async () => {
        if (!open) return;
        open = false;
        if (--this.#users === 0) await this.#stop();
      },
    };
  };

  /** Takes a token out of a bucket that all processes share. Rejects with `unavailable` or `deadline_exceeded` where the server does not say. */
  async take(name: string, rate: Rate): Promise<number> {
    const key = this.#key(`limit:${rate.perSecond}/${rate.burst}:`, name);
    try {
      await this.#answered((line) => this.#limiter(line, rate).consume(key, 1, { customDuration: 1 }));
      return 0;
    } catch (reason) {
      if (isRefusal(reason)) return reason.msBeforeNext;
      throw reason;
    }
  }

  /** Takes an event for so long, as {@link DedupeStore} has it. */
  async claim(key: string, leaseMs: number): Promise<'claimed' | 'running' | 'done'> {
    const said = await this.#answered(({ redis }) => redis.eval(CLAIM, 1, this.#key('event:', key), leaseMs));
    return said === 'running' || said === 'done' ? said : 'claimed';
  }

  async done(key: string, ttlMs: number): Promise<void> {
    await this.#answered(({ redis }) => redis.eval(FINISH, 1, this.#key('event:', key), ttlMs));
  }

  async release(key: string): Promise<void> {
    await this.#answered(({ redis }) => redis.del(this.#key('event:', key)));
  }

  #key(kind: string, name: string): string {
    const short = name.length <= LONGEST_NAME ? name : createHash('sha256').update(name).digest('base64url');
    return `${this.#prefix}${kind}${short}`;
  }

  /** Asks the server, and waits no longer than a call should. */
  async #answered<T>(ask: (line: RedisLine) => Promise<T>): Promise<T> {
    const line = this.#line;
    const parts = this.#parts;
    if (line === undefined || parts === undefined)
      throw new OctavoError(
        'unavailable',
        `${WHO} is not open: attach the wrapper to a service or a client, and not to one call`,
      );
    try {
      return await within(this.#timeoutMs, parts.clock, ask(line), () => this.#late(line));
    } catch (reason) {
      if (isRefusal(reason)) throw reason;
      throw line.fault(reason);
    }
  }

  #late({ where }: RedisLine): OctavoError {
    return new OctavoError(
      'deadline_exceeded',
      `${WHO} has no answer of the Redis server at ${where} within ${this.#timeoutMs} ms (timeoutMs)`,
    );
  }

  /** The library's limiter of this rate, on this connection. */
  #limiter({ redis }: RedisLine, { perSecond, burst }: Rate): RateLimiterRedis {
    const name = `${perSecond}/${burst}`;
    const known = this.#limiters.get(name);
    if (known !== undefined) return known;
    const Limiter = this.#Limiter;
    if (Limiter === undefined) throw new OctavoError('unavailable', `${WHO} is not started`);
    const limiter = new Limiter({
      storeClient: redis,
      keyPrefix: '',
      points: burst,
      duration: burst / perSecond,
      customIncrTtlLuaScript: TAKE,
    });
    this.#limiters.set(name, limiter);
    return limiter;
  }

  async #start(parts: RedisParts): Promise<void> {
    const { RateLimiterRedis: Limiter } = await peer(
      WHO,
      'rate-limiter-flexible',
      () => import('rate-limiter-flexible'),
    );
    this.#Limiter = Limiter;
    // Those of a connection that broke are of no use.
    const up = async (): Promise<void> => this.#limiters.clear();
    const line = new RedisLine(WHO, this.#options, parts, { up });
    this.#line = line;
    this.#parts = parts;
    try {
      await line.start();
    } catch (reason) {
      const error = OctavoError.from(reason);
      if (error.code !== 'unavailable' || this.#options.required === true) throw error;
      parts.logger.warn('there is no Redis server: going on without', { server: line.where, error });
      void this.#look(line, parts);
    }
  }

  /** Looks for a server until there is one. */
  async #look(line: RedisLine, { clock, logger }: RedisParts): Promise<void> {
    for (let before = ''; this.#line === line;) {
      try {
        await line.start();
        if (this.#line === line) logger.info('found the Redis server', { server: line.where });
        return;
      } catch (reason) {
        const { message, code } = OctavoError.from(reason);
        if (code !== 'unavailable' && message !== before)
          logger.warn('Redis cannot be used', { server: line.where, error: message });
        before = message;
      }
      await clock.sleep(RETRY_MS);
    }
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {});
    const line = this.#line;
    this.#line = undefined;
    this.#limiters.clear();
    await line?.stop();
  }
}

/** Limits and handled events that all processes share which name this Redis server. */
export function redisStore(options: RedisStoreOptions = {}): RedisStore {
  return new RedisStore(options);
}

/** Whether it is the library's word for too much, which is no error. */
function isRefusal(reason: unknown): reason is RateLimiterRes {
  return typeof reason === 'object' && reason !== null && 'msBeforeNext' in reason;
}
