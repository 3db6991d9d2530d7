import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import { NatsClient, type NatsOptions, type NatsParts } from '../../core/nats.js';
import type { DeliveryHandler, SubscribeOptions, Subscriber } from '../broker.js';
import { writeEnvelope } from '../envelope.js';
import { Handout } from '../handout.js';
import { Publishes } from '../publishes.js';
import { Puller, type Grave } from './puller.js';
import type { Settings } from './settings.js';
import { Store } from './store.js';

/** Put behind a topic's name to name the topic of what nobody could deal with. */
const DEAD = '.dead';

/** The nats-jetstream broker between a start and its stop. */
export class Session {
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  readonly #publishes: Publishes;
  readonly #pullers = new Set<Puller>();
  /** What ends each subscription, within the time that a stop has. */
  readonly #own = new Set<() => Promise<void>>();
  #store: Store | undefined;
  #stopped = false;

  constructor(options: NatsOptions, settings: Settings, parts: NatsParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#publishes = new Publishes('nats-jetstream', settings, parts.clock);
    this.#client = new NatsClient('the nats-jetstream broker', options, parts, {
      down: (error) => this.#store?.interrupt(error),
      up: () => {
        for (const puller of this.#pullers) void puller.renew();
      },
      forbidden: (subject, error) => this.#store?.interrupt(error, subject),
    });
  }

  get up(): boolean {
    return this.#client.up;
  }

  get where(): string {
    return this.#client.where;
  }

  async start(): Promise<void> {
    await this.#client.start();
    try {
      this.#store = await Store.open(this.#client, this.#settings);
      await this.#store.ensure();
    } catch (reason) {
      await this.#client.stop();
      throw reason;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#own].map((end) => end()));
    await this.#publishes.endWithin(this.#settings.drainMs);
    this.#store?.interrupt(new OctavoError('unavailable', 'the nats-jetstream broker was stopped'));
    await this.#client.stop();
  }

  publish(topic: string, data: Uint8Array, id: string | undefined, signal?: AbortSignal): Promise<void> {
    const store = this.#open();
    return this.#publishes.run(topic, signal, () =>
      // One id may be published to several topics, which share a stream.
      store.publish(this.#settings.prefix + topic, data, id === undefined ? undefined : `${topic}/${id}`),
    );
  }

  async subscribe(topic: string, handler: DeliveryHandler, options: SubscribeOptions): Promise<Subscriber> {
    const store = this.#open();
    const { drainMs } = this.#settings;
    const consumer = store.consumerOf(topic, options.queue ?? randomUUID());
    const ensure = async (): Promise<void> => {
      await store.ensure();
      await store.ensureConsumer(consumer, topic, options);
    };
    await ensure();
    const handout = new Handout(topic, handler, options, this.#settings, this.#parts);
    const puller = new Puller(consumer, handout, {
      ...this.#parts,
      client: this.#client,
      store,
      settings: this.#settings,
      ensure,
      bury: (grave) => this.#bury(store, grave),
    });
    const end = async (drain: () => Promise<void>): Promise<void> => {
      this.#pullers.delete(puller);
      await puller.end();
      await drain();
      puller.close();
      await this.#leave(store, options.queue === undefined ? consumer : undefined);
      this.#own.delete(endWithin);
    };
    const endWithin = (): Promise<void> => end(() => handout.endWithin(drainMs));
    if (this.#stopped) {
      await end(() => handout.end());
      throw new OctavoError(
        'failed_precondition',
        `the nats-jetstream broker was stopped while it subscribed to "${topic}"`,
      );
    }
    this.#pullers.add(puller);
    this.#own.add(endWithin);
    puller.ask();
    return { topic, options, unsubscribe: () => end(() => handout.end()) };
  }

  /** What was said last is on its way; nobody else wants what waits for a subscriber without a queue. */
  async #leave(store: Store, consumer: string | undefined): Promise<void> {
    if (!this.#client.up) return;
    try {
      if (consumer === undefined) await this.#client.flush();
      else await store.removeConsumer(consumer);
    } catch (error) {
      this.#parts.logger.debug('a subscription was not taken leave of', { consumer, error });
    }
  }

  /** Publishes an event that nobody could deal with to the dead letters of its topic; one of these that fails again is dropped. */
  async #bury(store: Store, { topic, message, data, id, attempt }: Grave): Promise<void> {
    const { logger } = this.#parts;
    const why = message === undefined ? 'cannot be read' : `was refused ${attempt} times (maxDeliver)`;
    if (topic.endsWith(DEAD)) return logger.error(`a dead letter ${why}, and is dropped`, { topic });
    const dead = `${topic}${DEAD}`;
    const bytes =
      message === undefined
        ? data
        : writeEnvelope(dead, message, { ...this.#settings, maxBodyBytes: Infinity });
    await store.publish(this.#settings.prefix + dead, bytes, `${dead}/${id}`);
    logger.error(`an event ${why}, and went to ${dead}`, { topic, attempt });
  }

  #open(): Store {
    if (this.#store !== undefined) return this.#store;
    throw new OctavoError(
      'failed_precondition',
      'the nats-jetstream broker is not started: call start() first',
    );
  }
}
