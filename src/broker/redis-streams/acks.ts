import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import type { RedisLine } from '../../core/redis.js';
import type { Source } from './source.js';

export interface AcksParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly commands: RedisLine;
}

interface Waiting {
  readonly id: string;
  readonly done: () => void;
  readonly failed: (reason: OctavoError) => void;
}

/** How many go in one command. */
const AT_ONCE = 1_000;
/** How long after a failure the next attempt is made, in milliseconds. */
const RETRY_MS = 250;

/** Acknowledgements on their way: those that come while one command is under way share the next, and what fails is sent again. */
export class Acks {
  readonly #source: Source;
  readonly #ending: AbortSignal;
  readonly #parts: AcksParts;
  readonly #waiting: Waiting[] = [];
  #sending = false;

  /** @param ending ends the attempts */
  constructor(source: Source, ending: AbortSignal, parts: AcksParts) {
    this.#source = source;
    this.#ending = ending;
    this.#parts = parts;
  }

  /** Resolves when the server has it. Rejects only when the end comes before. */
  send(id: string): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ id, done, failed });
      if (!this.#sending) void this.#sendAll();
    });
  }

  async #sendAll(): Promise<void> {
    const { commands, clock, logger } = this.#parts;
    this.#sending = true;
    while (this.#waiting.length > 0) {
      await commands.ready();
      const batch = this.#waiting.slice(0, AT_ONCE);
      try {
        await this.#source.ack(
          commands.redis,
          batch.map(({ id }) => id),
        );
        this.#waiting.splice(0, batch.length);
        for (const { done } of batch) done();
      } catch (error) {
        if (commands.up) logger.warn('events could not be acknowledged, which is tried again', { error });
        try {
          await clock.sleep(RETRY_MS, this.#ending);
        } catch {
          this.#giveUp();
        }
      }
    }
    this.#sending = false;
  }

  #giveUp(): void {
    const reason = new OctavoError(
      'unavailable',
      'the redis-streams broker was stopped before the server answered',
    );
    for (const { failed } of this.#waiting.splice(0)) failed(reason);
  }
}
