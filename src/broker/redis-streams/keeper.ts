import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import type { RedisLine } from '../../core/redis.js';
import { TIDY } from './scripts.js';

export interface KeeperOptions {
  readonly maxLength: number;
  readonly retentionMs: number;
  /** After which silence a consumer is dead, in milliseconds. */
  readonly deadAfterMs: number;
}

export interface KeeperParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly commands: RedisLine;
}

/** How often streams are tidied up, and those that are full. */
const TIDY_MS = 10_000;
const FULL_MS = 1_000;
/** How many streams are looked after; the rest is for others. */
const MAX_STREAMS = 10_000;

interface Stream {
  /** Events published since it was tidied up. */
  published: number;
  full: boolean;
}

/** Looks after the streams that are published to: takes away what nobody needs, and knows which are full. */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #parts: KeeperParts;
  /** By key. */
  readonly #streams = new Map<string, Stream>();
  #ending = new AbortController();

  constructor(options: KeeperOptions, parts: KeeperParts) {
    this.#options = options;
    this.#parts = parts;
  }

  start(): void {
    this.#ending = new AbortController();
    void this.#run(this.#ending.signal);
  }

  stop(): void {
    this.#ending.abort();
    this.#streams.clear();
  }

  /**
   * Counts an event that is about to be published.
   *
   * @throws `resource_exhausted` when the stream is full of what queues have not dealt with
   */
  count(topic: string, key: string): void {
    const { maxLength } = this.#options;
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = { published: 0, full: false };
      if (this.#streams.size < MAX_STREAMS) this.#streams.set(key, stream);
    }
    if (stream.full)
      throw new OctavoError(
        'resource_exhausted',
        `the stream of "${topic}" is full: its queues are ${maxLength} events behind (maxLength)`,
      );
    stream.published++;
    // Not only from time to time, as a fast publisher fills it before.
    if (stream.published % Math.ceil(maxLength / 4) === 0) void this.#tidy(key, stream);
  }

  async #run(ending: AbortSignal): Promise<void> {
    let turn = 0;
    for (;;) {
      try {
        await this.#parts.clock.sleep(FULL_MS, ending);
      } catch {
        return;
      }
      const all = ++turn % (TIDY_MS / FULL_MS) === 0;
      for (const [key, stream] of this.#streams) if (all || stream.full) await this.#tidy(key, stream);
    }
  }

  async #tidy(key: string, stream: Stream): Promise<void> {
    const { maxLength, retentionMs, deadAfterMs } = this.#options;
    const { commands, logger } = this.#parts;
    const { published } = stream;
    try {
      const length = await commands.redis.call('EVAL', TIDY, 1, key, deadAfterMs, retentionMs, maxLength);
      const full = Number(length) >= maxLength;
      if (full && !stream.full)
        logger.error('a stream is full, and publishes to it are refused', { stream: key, maxLength });
      stream.full = full;
      stream.published -= published;
      if (stream.published === 0 && published === 0 && Number(length) === 0) this.#streams.delete(key);
    } catch (error) {
      if (commands.up) logger.warn('a stream could not be tidied up', { stream: key, error });
    }
  }
}
