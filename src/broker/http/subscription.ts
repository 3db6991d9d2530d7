import { InHand } from '../../core/in-hand.js';
import type { Logger } from '../../core/logger.js';
import type { Message } from '../../core/message.js';
import type { Registry, ServiceRecord } from '../../registry/registry.js';
import type { DeliveryHandler } from '../broker.js';

/** The service that every subscription of go-micro's http broker is registered under. */
export const SERVICE = 'micro.http.broker';
/** The version of those that share with nobody; others have their queue's name. */
export const BROADCAST = 'ff.http.broadcast';

export interface SubscriptionInit {
  readonly id: string;
  readonly topic: string;
  readonly queue: string | undefined;
  readonly address: string;
  /** Whether it is posted to by TLS only. */
  readonly secure: boolean;
  readonly handler: DeliveryHandler;
}

export interface SubscriptionParts {
  readonly registry: Registry;
  readonly logger: Logger;
  readonly ttlMs: number;
}

/** One subscription: a node in the registry, and the handler behind it. */
export class Subscription {
  readonly topic: string;
  readonly #handler: DeliveryHandler;
  readonly #record: ServiceRecord;
  readonly #parts: SubscriptionParts;
  readonly #inHand = new InHand();
  /** What the registry was told last: one thing at a time, so that a late renewal does not bring back what has ended. */
  #told: Promise<void> = Promise.resolve();
  #ending: Promise<void> | undefined;

  constructor({ id, topic, queue, address, secure, handler }: SubscriptionInit, parts: SubscriptionParts) {
    this.topic = topic;
    this.#handler = handler;
    this.#parts = parts;
    const node = { id, address, metadata: { secure: String(secure), broker: 'http', topic } };
    this.#record = {
      name: SERVICE,
      version: queue ?? BROADCAST,
      metadata: {},
      endpoints: [],
      nodes: [node],
    };
  }

  /** Puts it into the registry, or renews it. */
  register(): Promise<void> {
    const { registry, ttlMs } = this.#parts;
    return this.#tell(async () => {
      if (this.#ending === undefined) await registry.register(this.#record, { ttlMs });
    });
  }

  async renew(): Promise<void> {
    try {
      await this.register();
    } catch (error) {
      const { topic } = this;
      this.#parts.logger.warn('a subscription could not be renewed in the registry', { topic, error });
    }
  }

  /** Takes it out of the registry, and waits for what is in hand. Never rejects. */
  async end(): Promise<void> {
    await (this.#ending ??= this.#deregister());
    await this.#inHand.idle();
  }

  /** Runs the handler. What it throws, or refuses, is logged and gone. */
  deliver(message: Message): Promise<void> {
    const { topic } = this;
    const { logger } = this.#parts;
    return this.#inHand.run(async () => {
      try {
        await this.#handler({
          topic,
          message,
          attempt: 1,
          ack() {},
          nack: () => logger.warn('an event was refused, and the http broker delivers none again', { topic }),
        });
      } catch (error) {
        logger.error('a handler of the http broker threw', { topic, error });
      }
    });
  }

  async #deregister(): Promise<void> {
    const { registry, logger } = this.#parts;
    try {
      await this.#tell(() => registry.deregister(this.#record));
    } catch (error) {
      const { topic } = this;
      logger.warn('a subscription could not be taken out of the registry', { topic, error });
    }
  }

  #tell(something: () => Promise<void>): Promise<void> {
    const told = this.#told.then(something);
    this.#told = told.catch(() => {});
    return told;
  }
}
