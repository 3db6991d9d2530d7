import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import type { NatsClient } from '../../core/nats.js';
import type { DeliveryHandler, SubscribeOptions } from '../broker.js';
import { writeEnvelope } from '../envelope.js';
import { Handout } from '../handout.js';
import type { ServedSubscription } from '../served-broker.js';
import { Puller, type Grave } from './puller.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';

/** Put behind a topic's name to name the topic of what nobody could deal with. */
const DEAD = '.dead';

export interface SubscriptionInit {
  readonly client: NatsClient;
  readonly store: Store;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One subscription: a consumer of the stream, what pulls from it, and the handler behind it. */
export class Subscription implements ServedSubscription {
  readonly #topic: string;
  readonly #options: SubscribeOptions;
  readonly #init: SubscriptionInit;
  readonly #consumer: string;
  readonly #handout: Handout;
  #puller: Puller | undefined;

  constructor(topic: string, handler: DeliveryHandler, options: SubscribeOptions, init: SubscriptionInit) {
    this.#topic = topic;
    this.#options = options;
    this.#init = init;
    this.#consumer = init.store.consumerOf(topic, options.queue ?? randomUUID());
    this.#handout = new Handout(topic, handler, options, init.settings, init);
  }

  async begin(): Promise<void> {
    await this.#ensure();
    if (this.#handout.ended) return this.#leave();
    this.#puller = new Puller(this.#consumer, this.#handout, {
      ...this.#init,
      ensure: () => this.#ensure(),
      bury: (grave) => this.#bury(grave),
    });
    this.#puller.ask();
  }

  /** The connection is another one. */
  renew(): void {
    void this.#puller?.renew();
  }

  unsubscribe(): Promise<void> {
    return this.#end(() => this.#handout.end());
  }

  stop(): Promise<void> {
    return this.#end(() => this.#handout.endWithin(this.#init.settings.drainMs));
  }

  /** Makes the stream and the consumer where they are not there. */
  async #ensure(): Promise<void> {
    const { store } = this.#init;
    await store.ensure();
    await store.ensureConsumer(this.#consumer, this.#topic, this.#options);
  }

  async #end(drain: () => Promise<void>): Promise<void> {
    await this.#puller?.end();
    await drain();
    this.#puller?.close();
    await this.#leave();
  }

  /** What was said last is on its way; nobody else wants what waits for a subscriber without a queue. */
  async #leave(): Promise<void> {
    const { client, store, logger } = this.#init;
    if (!client.up) return;
    try {
      if (this.#options.queue !== undefined) await client.flush();
      else await store.removeConsumer(this.#consumer);
    } catch (error) {
      logger.debug('a subscription was not taken leave of', { consumer: this.#consumer, error });
    }
  }

  /** Publishes an event that nobody could deal with to the dead letters of its topic; one of these that fails again is dropped. */
  async #bury({ topic, message, data, id, attempt }: Grave): Promise<void> {
    const { store, settings, logger } = this.#init;
    const why = message === undefined ? 'cannot be read' : `was refused ${attempt} times (maxDeliver)`;
    if (topic.endsWith(DEAD)) return logger.error(`a dead letter ${why}, and is dropped`, { topic });
    const dead = `${topic}${DEAD}`;
    const bytes =
      message === undefined ? data : writeEnvelope(dead, message, { ...settings, maxBodyBytes: Infinity });
    await store.publish(settings.prefix + dead, bytes, `${dead}/${id}`);
    logger.error(`an event ${why}, and went to ${dead}`, { topic, attempt });
  }
}
