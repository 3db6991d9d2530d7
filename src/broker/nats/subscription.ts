import type { Clock } from '../../core/clock.js';
import type { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import type { NatsClient, NatsMessage, NatsSubscription } from '../../core/nats.js';
import type { DeliveryHandler, SubscribeOptions } from '../broker.js';
import { readEnvelope, type HeaderLimits } from '../envelope.js';
import { Handout } from '../handout.js';
import { Losses } from '../losses.js';
import type { ServedLimits } from '../served.js';
import type { ServedSubscription } from '../served-broker.js';

export interface NatsLimits extends ServedLimits, HeaderLimits {
  readonly maxPendingBytes: number;
}

export interface SubscriptionInit {
  readonly client: NatsClient;
  readonly limits: NatsLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One subscription to a subject, and the handler behind it. */
export class Subscription implements ServedSubscription {
  readonly #topic: string;
  readonly #queue: string | undefined;
  readonly #init: SubscriptionInit;
  readonly #handout: Handout;
  #heard: NatsSubscription | undefined;
  #pendingBytes = 0;

  constructor(topic: string, handler: DeliveryHandler, options: SubscribeOptions, init: SubscriptionInit) {
    this.#topic = topic;
    this.#queue = options.queue;
    this.#init = init;
    this.#handout = new Handout(topic, handler, options, { ...init.limits, finishes: true }, init);
  }

  async begin(): Promise<void> {
    const { client, logger } = this.#init;
    const topic = this.#topic;
    let forbidden: OctavoError | undefined;
    const heard = client.subscribe(topic, this.#taking(), {
      ...(this.#queue !== undefined && { queue: this.#queue }),
      refused: (error) => {
        forbidden = error;
        logger.error('the NATS server ended a subscription', { topic, error });
      },
    });
    this.#heard = heard;
    try {
      await client.confirm();
      if (forbidden !== undefined) throw forbidden;
    } catch (reason) {
      heard.end();
      await this.#handout.end();
      throw reason;
    }
  }

  async unsubscribe(): Promise<void> {
    await this.#heard?.drain();
    await this.#handout.end();
  }

  async stop(): Promise<void> {
    await this.#heard?.drain();
    await this.#handout.endWithin(this.#init.limits.drainMs);
  }

  /** Takes what comes, as long as there is room. */
  #taking(): (message: NatsMessage) => void {
    const { limits } = this.#init;
    const named = { topic: this.#topic };
    const dropped = new Losses('a subscriber is too far behind: events were dropped', named, this.#init);
    const unread = new Losses('events that cannot be read were dropped', named, this.#init);
    return ({ subject, data }) => {
      const bytes = data.length;
      if (this.#handout.free === 0 || this.#pendingBytes + bytes > limits.maxPendingBytes)
        return dropped.add();
      let message;
      try {
        message = readEnvelope(data, limits);
      } catch {
        return unread.add();
      }
      this.#pendingBytes += bytes;
      const done = (): void => void (this.#pendingBytes -= bytes);
      this.#handout.offer({ topic: subject, message, attempt: 1, ack: done, nack: done });
      return undefined;
    };
  }
}
