import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import { RedisLine } from '../../core/redis.js';
import type { RedisOptions } from '../../core/redis-options.js';
import type { Handout } from '../handout.js';
import type { ServedSubscription } from '../served-broker.js';
import { Acks } from './acks.js';
import type { Entry } from './entry.js';
import type { Again, Source } from './source.js';

export interface ConsumerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The broker's own connection, for everything that does not wait. */
  readonly commands: RedisLine;
}

/** How long one read waits for something new, in milliseconds. */
const BLOCK_MS = 1_000;
/** How long after a failure the next attempt is made, in milliseconds. */
const RETRY_MS = 250;
/** How often it is looked for what others left behind, at most, in milliseconds. */
const LOOK_MS = 1_000;
/** How many refused events wait for their time; a handler that refuses more is given no more. */
const MAX_REFUSED = 10_000;

/** One subscription to a stream: reads as much as its handler has room for, and says what became of it. */
export class Consumer implements ServedSubscription {
  readonly handout: Handout;
  readonly #source: Source;
  readonly #parts: ConsumerParts;
  readonly #keepMs: number;
  readonly #drainMs: number;
  readonly #acks: Acks;
  /** Reads wait for something new, and nothing else gets through meanwhile. */
  readonly #reading: RedisLine;
  readonly #ending = new AbortController();
  /** What is in hand here: with the handler, or waiting for another delivery. */
  readonly #mine = new Map<string, 'held' | 'again'>();
  readonly #refused = new Set<Timer>();
  readonly #due: Again[] = [];
  #over: Promise<void> = Promise.resolve();
  #handing = false;
  /** What failed last, so that it is not logged four times a second. */
  #failure = '';
  #opened = false;

  /** @param times in milliseconds: after which silence others take over, and for how long a stop waits */
  constructor(
    handout: Handout,
    source: Source,
    { claimAfterMs, drainMs }: { readonly claimAfterMs: number; readonly drainMs: number },
    options: RedisOptions,
    parts: ConsumerParts,
  ) {
    this.handout = handout;
    this.#source = source;
    this.#parts = parts;
    this.#keepMs = claimAfterMs / 3;
    this.#drainMs = drainMs;
    this.#acks = new Acks(source, this.#ending.signal, parts);
    this.#reading = new RedisLine('the redis-streams broker', options, parts, {
      up: (redis) => this.#up(redis),
    });
  }

  /** Connects. What is published after it resolves comes. */
  async begin(): Promise<void> {
    try {
      await this.#reading.start();
    } catch (reason) {
      await this.#end(0);
      throw this.#parts.commands.fault(reason);
    }
    void this.#read();
    this.#over = this.#watch();
  }

  get over(): Promise<void> {
    return this.#over;
  }

  unsubscribe(): Promise<void> {
    return this.#end();
  }

  stop(): Promise<void> {
    return this.#end(this.#drainMs);
  }

  /** Ends, and waits for what is in hand; not for ever with `drainMs`. */
  async #end(drainMs?: number): Promise<void> {
    const ended = drainMs === undefined ? this.handout.end() : this.handout.endWithin(drainMs);
    await this.#reading.stop();
    for (const timer of this.#refused) timer.cancel();
    this.#refused.clear();
    await ended;
    for (const [id, where] of this.#mine) if (where === 'again') this.#mine.delete(id);
    if (drainMs !== undefined || this.#mine.size === 0) this.#ending.abort();
    try {
      await this.#leave(this.#parts.commands.redis);
    } catch (error) {
      const { topic } = this.handout;
      // What was in hand is taken over by others when it was silent long enough.
      this.#parts.logger.debug('a subscription could not take leave', { topic, error });
    }
  }

  async #leave(redis: Redis): Promise<void> {
    const pending = await this.#source.pending(redis);
    // A handler that ends its own subscription still has its event.
    const left = pending.filter(({ id }) => this.#mine.get(id) !== 'held').map(({ id }) => id);
    if (left.length > 0) await this.#source.giveBack(redis, left);
    await this.#source.leave(redis);
  }

  async #up(redis: Redis): Promise<void> {
    if (!this.#opened) {
      await this.#source.open(redis);
      this.#opened = true;
      return;
    }
    await this.#source.resume(redis);
    // What was on its way when the last connection broke was in nobody's hands yet.
    for (const again of await this.#source.pending(redis)) this.#take(again);
  }

  async #read(): Promise<void> {
    while (!this.handout.ended) {
      await this.#reading.ready();
      await this.handout.room();
      if (this.handout.ended) return;
      try {
        const entries = await this.#source.read(this.#reading.redis, this.handout.free, BLOCK_MS);
        this.#failure = '';
        for (const { id } of entries) this.#mine.set(id, 'held');
        // What comes again may have taken the room meanwhile.
        for (const entry of entries)
          while (!this.#offer(entry, 1) && !this.handout.ended) await this.handout.room();
      } catch (error) {
        if (this.#reading.up) await this.#failed('reading a stream failed', error);
      }
    }
  }

  #offer({ id, message }: Entry, attempt: number): boolean {
    const offered = this.handout.offer({
      message,
      attempt,
      ack: async () => {
        await this.#acks.send(id);
        this.#mine.delete(id);
      },
      nack: (delayMs) => this.#refuse(id, attempt, delayMs),
    });
    this.#mine.set(id, offered ? 'held' : 'again');
    return offered;
  }

  async #refuse(id: string, attempt: number, delayMs: number): Promise<void> {
    while (!this.handout.ended && this.#refused.size >= MAX_REFUSED) await this.#sleep(RETRY_MS);
    if (this.handout.ended) {
      this.#mine.delete(id);
      return this.#source.giveBack(this.#parts.commands.redis, [id]);
    }
    this.#mine.set(id, 'again');
    const timer = this.#parts.clock.after(
      delayMs,
      () => {
        this.#refused.delete(timer);
        this.#again({ id, attempt: attempt + 1 });
      },
      { background: true },
    );
    this.#refused.add(timer);
  }

  /** Takes what the server gave to this consumer, unless it is in hand. */
  #take(again: Again): void {
    if (this.#mine.has(again.id)) return;
    this.#mine.set(again.id, 'again');
    this.#again(again);
  }

  #again(again: Again): void {
    this.#due.push(again);
    if (!this.#handing) void this.#handOutDue();
  }

  /** Hands out what comes again, each when there is room. */
  async #handOutDue(): Promise<void> {
    const { commands } = this.#parts;
    this.#handing = true;
    for (let next = this.#due[0]; next !== undefined && !this.handout.ended; next = this.#due[0]) {
      await commands.ready();
      await this.handout.room();
      if (this.handout.ended) break;
      try {
        const entry = await this.#source.again(commands.redis, next);
        if (entry === undefined) await this.#gone(next.id);
        else if (!this.#offer(entry, next.attempt)) continue;
        this.#due.shift();
      } catch (error) {
        if (commands.up) await this.#failed('reading an event again failed', error);
      }
    }
    this.#handing = false;
  }

  /** Somebody has taken the entry out of the stream. */
  async #gone(id: string): Promise<void> {
    this.#parts.logger.error('an event is gone from its stream before it was dealt with', {
      topic: this.handout.topic,
      id,
    });
    await this.#acks.send(id);
    this.#mine.delete(id);
  }

  /** Says from time to time what is in hand here, and looks for what others left behind. */
  async #watch(): Promise<void> {
    const { commands, clock } = this.#parts;
    let keptAt = clock.now();
    while (await this.#sleep(Math.min(LOOK_MS, this.#keepMs))) {
      if (this.handout.ended && this.#mine.size === 0) return;
      if (!commands.up) continue;
      try {
        if (clock.now() - keptAt >= this.#keepMs) {
          keptAt = clock.now();
          if (this.#mine.size > 0) await this.#source.keep(commands.redis, [...this.#mine.keys()]);
        }
        if (!this.handout.ended && this.#due.length === 0)
          for (const again of await this.#source.takeOver(commands.redis)) this.#take(again);
      } catch (error) {
        if (commands.up) await this.#failed('looking after a stream failed', error);
      }
    }
  }

  async #failed(what: string, error: unknown): Promise<void> {
    if (this.handout.ended) return;
    const text = `${what}: ${String(error)}`;
    if (text !== this.#failure) this.#parts.logger.warn(what, { topic: this.handout.topic, error });
    this.#failure = text;
    await this.#sleep(RETRY_MS);
  }

  /** Returns whether the time passed, and not the end came. */
  async #sleep(ms: number): Promise<boolean> {
    try {
      await this.#parts.clock.sleep(ms, this.#ending.signal);
      return true;
    } catch {
      return false;
    }
  }
}
