import type { Redis } from 'ioredis';
import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import type { Message } from '../../core/message.js';
import { quietly } from '../../core/quietly.js';
import { HEADER_LIMITS, readEnvelope } from '../envelope.js';
import type { Handout } from '../handout.js';

export interface ChannelsParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often it is logged that events are dropped, at most, in milliseconds. */
const LOG_EVERY_MS = 1_000;

/** Which subscriptions hear which channel of a Redis server. One subscription there serves all that are here. */
export class Channels {
  readonly #parts: ChannelsParts;
  readonly #patterns: boolean;
  /** By topic, which may be a pattern. */
  readonly #handouts = new Map<string, Set<Handout>>();
  #redis: Redis | undefined;
  #dropped = 0;
  #loggedAt = -Infinity;

  /** @param patterns whether a topic may be one */
  constructor(patterns: boolean, parts: ChannelsParts) {
    this.#patterns = patterns;
    this.#parts = parts;
  }

  /** Goes on with another connection: subscribes there to all that is heard. */
  async hear(redis: Redis): Promise<void> {
    this.#redis = redis;
    redis.on('messageBuffer', (channel: Buffer, bytes: Buffer) =>
      this.#take(channel.toString(), channel.toString(), bytes),
    );
    redis.on('pmessageBuffer', (pattern: Buffer | string, channel: Buffer, bytes: Buffer) =>
      this.#take(String(pattern), channel.toString(), bytes),
    );
    await Promise.all([...this.#handouts.keys()].map((topic) => this.#subscribe(redis, topic)));
  }

  /** Resolves when the server sends what is published from then on. */
  async join(handout: Handout, redis: Redis): Promise<void> {
    const { topic } = handout;
    const heard = this.#handouts.get(topic) ?? new Set();
    this.#handouts.set(topic, heard.add(handout));
    // Also where it is heard already: another join may still wait for the server's word.
    await this.#subscribe(redis, topic);
  }

  leave(handout: Handout): void {
    const { topic } = handout;
    const heard = this.#handouts.get(topic);
    if (heard?.delete(handout) !== true || heard.size > 0) return;
    this.#handouts.delete(topic);
    // Of a connection that broke the server has forgotten it.
    quietly(async () => {
      await (this.#isPattern(topic) ? this.#redis?.punsubscribe(topic) : this.#redis?.unsubscribe(topic));
    });
  }

  /** Ends all of them, and waits for what is in hand. */
  async end(drainMs: number): Promise<void> {
    const all = [...this.#handouts.values()].flatMap((heard) => [...heard]);
    for (const handout of all) this.leave(handout);
    await Promise.all(all.map((handout) => handout.endWithin(drainMs)));
  }

  async #subscribe(redis: Redis, topic: string): Promise<void> {
    await (this.#isPattern(topic) ? redis.psubscribe(topic) : redis.subscribe(topic));
  }

  #isPattern(topic: string): boolean {
    return this.#patterns && /[*?[]/.test(topic);
  }

  #take(heard: string, topic: string, bytes: Buffer): void {
    for (const handout of this.#handouts.get(heard) ?? []) {
      let message: Message;
      try {
        // Anew for each, as each may change what it gets.
        message = readEnvelope(bytes, HEADER_LIMITS);
      } catch (error) {
        this.#parts.logger.warn('what came on a channel is no event, and is dropped', { topic, error });
        return;
      }
      const refused = (): void =>
        this.#parts.logger.warn('an event was refused, and the redis broker delivers none again', { topic });
      if (!handout.offer({ topic, message, attempt: 1, ack: () => {}, nack: refused })) this.#drop(topic);
    }
  }

  #drop(topic: string): void {
    this.#dropped++;
    const now = this.#parts.clock.now();
    if (now - this.#loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt = now;
    const { logger } = this.#parts;
    logger.error('a subscriber is behind, and events are dropped (prefetch)', {
      topic,
      dropped: this.#dropped,
    });
    this.#dropped = 0;
  }
}
