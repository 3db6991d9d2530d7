import type { RedisLine } from '../../core/redis.js';
import type { Handout } from '../handout.js';
import type { ServedSubscription } from '../served-broker.js';
import type { Channels } from './channels.js';

/** One subscription to a channel, of which the connection hears for all. */
export class RedisSubscription implements ServedSubscription {
  readonly #handout: Handout;
  readonly #channels: Channels;
  readonly #hearing: RedisLine;
  readonly #drainMs: number;

  constructor(handout: Handout, channels: Channels, hearing: RedisLine, drainMs: number) {
    this.#handout = handout;
    this.#channels = channels;
    this.#hearing = hearing;
    this.#drainMs = drainMs;
  }

  async begin(): Promise<void> {
    try {
      await this.#channels.join(this.#handout, this.#hearing.redis);
    } catch (reason) {
      this.#channels.leave(this.#handout);
      throw this.#hearing.fault(reason);
    }
  }

  async unsubscribe(): Promise<void> {
    this.#channels.leave(this.#handout);
    await this.#handout.end();
  }

  async stop(): Promise<void> {
    this.#channels.leave(this.#handout);
    await this.#handout.endWithin(this.#drainMs);
  }
}
