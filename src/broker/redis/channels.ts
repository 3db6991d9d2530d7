import type { Redis } from 'ioredis';
import type { Clock } from '../../core/clock.js';
import type { Fields, Logger } from '../../core/logger.js';
import type { Message } from '../../core/message.js';
import { quietly } from '../../core/quietly.js';
import { HEADER_LIMITS, readEnvelope } from '../envelope.js';
import type { Handout } from '../handout.js';

export interface ChannelsParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ChannelsOptions {
  /** Put before a topic to make its channel. */
  readonly prefix: string;
  /** Whether a topic may be a pattern. */
  readonly patterns: boolean;
}

/** How often the same is logged of what is dropped, at most, in milliseconds: whoever floods a channel does not flood the log. */
const LOG_EVERY_MS = 1_000;

/** Which subscriptions hear which channel of a Redis server. One subscription there serves all that are here. */
export class Channels {
  readonly #parts: ChannelsParts;
  readonly #options: ChannelsOptions;
  /** By topic, which may be a pattern. */
  readonly #handouts = new Map<string, Set<Handout>>();
  /** What was logged when, and how much of it was not. */
  readonly #said = new Map<string, { at: number; unlogged: number }>();
  /** The prefix as it stands before a pattern. */
  readonly #literal: string;
  #redis: Redis | undefined;

  constructor(options: ChannelsOptions, parts: ChannelsParts) {
    this.#options = options;
    this.#literal = options.prefix.replace(/[*?[\]\\^]/g, '\\$&');
    this.#parts = parts;
  }

  /** Goes on with another connection: subscribes there to all that is heard. */
  async hear(redis: Redis): Promise<void> {
    this.#redis = redis;
    const { length } = this.#options.prefix;
    redis.on('messageBuffer', (channel: Buffer, bytes: Buffer) => {
      const topic = channel.toString().slice(length);
      this.#take(topic, topic, bytes);
    });
    redis.on('pmessageBuffer', (pattern: Buffer | string, channel: Buffer, bytes: Buffer) =>
      this.#take(pattern.toString().slice(this.#literal.length), channel.toString().slice(length), bytes),
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
      if (this.#isPattern(topic)) await this.#redis?.punsubscribe(this.#literal + topic);
      else await this.#redis?.unsubscribe(this.#options.prefix + topic);
    });
  }

  async #subscribe(redis: Redis, topic: string): Promise<void> {
    if (this.#isPattern(topic)) await redis.psubscribe(this.#literal + topic);
    else await redis.subscribe(this.#options.prefix + topic);
  }

  #isPattern(topic: string): boolean {
    return this.#options.patterns && /[*?[]/.test(topic);
  }

  /** @param heard the topic that was subscribed to, which may be a pattern */
  #take(heard: string, topic: string, bytes: Buffer): void {
    for (const handout of this.#handouts.get(heard) ?? []) {
      let message: Message;
      try {
        // Anew for each, as each may change what it gets.
        message = readEnvelope(bytes, HEADER_LIMITS);
      } catch (error) {
        return this.#say('what came on a channel is no event, and is dropped', { topic, error });
      }
      const nack = (): void => this.#say('an event was refused, and redis delivers none again', { topic });
      if (!handout.offer({ topic, message, attempt: 1, ack: () => {}, nack }))
        this.#say('a subscriber is behind, and events are dropped (prefetch)', { topic });
    }
  }

  #say(what: string, fields: Fields): void {
    const now = this.#parts.clock.now();
    const before = this.#said.get(what);
    if (before !== undefined && now - before.at < LOG_EVERY_MS) {
      before.unlogged++;
      return;
    }
    this.#said.set(what, { at: now, unlogged: 0 });
    const { unlogged = 0 } = before ?? {};
    this.#parts.logger.warn(what, { ...fields, ...(unlogged > 0 && { unlogged }) });
  }
}
