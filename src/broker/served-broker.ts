import type { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { Message } from '../core/message.js';
import {
  Broker,
  type BrokerStats,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';
import { Publishes } from './publishes.js';
import { checkBody, checkDurable, notStarted, type ServedLimits } from './served.js';
import { Traffic } from './traffic.js';

/** One subscription of a broker that stands on a server. */
export interface ServedSubscription {
  /** Resolves when what is published from then on comes. Rejects with nothing left behind. */
  begin(): Promise<void>;
  /** Takes it back, and waits for what is in hand. */
  unsubscribe(): Promise<void>;
  /** As {@link unsubscribe}, but not for ever. */
  stop(): Promise<void>;
  /**
   * The connection is another one, or there are other servers.
   *
   * @param unreadable whether the last one broke for something that came and cannot be read
   */
  renew?(unreadable: boolean): void;
  /**
   * Resolves when nothing is in hand any more, where that may be after {@link unsubscribe}: a handler that ends its own subscription still has
   * its event.
   */
  readonly over?: Promise<void>;
}

/** What every broker on a server does alike: starts and stops in turn, publishes within limits, and keeping of its subscriptions. */
export abstract class ServedBroker extends Broker {
  protected readonly limits: ServedLimits;
  readonly #subscriptions = new Set<ServedSubscription>();
  readonly #traffic = new Traffic();
  readonly #publishes: Publishes;
  /** From when it is started until it has stopped. */
  #running: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #started = false;

  protected constructor(name: string, limits: ServedLimits, clock: Clock) {
    super();
    this.limits = limits;
    this.#publishes = new Publishes(name, limits, clock);
  }

  get address(): string {
    return this.#started ? this.where : '';
  }

  override stats(): BrokerStats {
    return this.#traffic.stats(this.connected);
  }

  start(): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping.then(() => this.start());
    return (this.#running ??= this.#open());
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running !== undefined)
      this.#stopping ??= this.#close(running).finally(() => {
        this.#running = this.#stopping = undefined;
        this.#started = false;
      });
    await this.#stopping;
  }

  publish(topic: string, message: Message, options: PublishOptions = {}): Promise<void> {
    return this.#traffic.publish(this.#publish(topic, message, options));
  }

  async #publish(topic: string, message: Message, options: PublishOptions): Promise<void> {
    if (!this.#started) throw notStarted(this);
    checkBody(topic, message, this.limits.maxMessageBytes);
    await this.#publishes.run(topic, options.signal, this.sending(topic, message, options));
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    if (!this.#started || this.stopping) throw notStarted(this);
    checkDurable(this, topic, options);
    const subscription = this.subscription(topic, this.#traffic.counted(handler), options);
    this.#subscriptions.add(subscription);
    try {
      await subscription.begin();
      // Whoever stops it meanwhile has told the subscription.
      if (this.stopping || !this.#subscriptions.has(subscription))
        throw new OctavoError(
          'failed_precondition',
          `the ${this.name} broker was stopped while it subscribed to "${topic}"`,
        );
    } catch (reason) {
      this.#subscriptions.delete(subscription);
      throw reason;
    }
    const unsubscribe = async (): Promise<void> => {
      await subscription.unsubscribe();
      void Promise.resolve(subscription.over).then(() => this.#subscriptions.delete(subscription));
    };
    return { topic, options, unsubscribe };
  }

  /** Tells the subscriptions that they may have to begin anew. */
  protected renew(unreadable = false): void {
    for (const each of this.#subscriptions) each.renew?.(unreadable);
  }

  /** Whether somebody has asked for a stop that is not done. */
  protected get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  protected get started(): boolean {
    return this.#started;
  }

  /** The servers, as {@link address} names them. */
  protected abstract get where(): string;

  /** Whether the server can be reached now; `undefined` where that is not known. */
  protected abstract get connected(): boolean | undefined;

  /** For how long a stop waits for publishes under way, in milliseconds. */
  protected get drainMs(): number {
    return this.limits.drainMs;
  }

  /** Connects. Rejects with nothing left behind, also where it is overtaken by {@link close}. */
  protected abstract open(): Promise<void>;

  /** Lets go of the server, once nothing is in hand. @param opened settles when {@link open} does */
  protected abstract close(opened: Promise<void>): Promise<void>;

  /** What publishes an event, and resolves when the server has it. Throws for a topic that cannot be. What the publisher changes afterwards is not sent. */
  protected abstract sending(
    topic: string,
    message: Message,
    options: PublishOptions,
  ): () => Promise<unknown>;

  /** A subscription that has not begun. Throws for a topic that cannot be. */
  protected abstract subscription(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
  ): ServedSubscription;

  async #open(): Promise<void> {
    try {
      await this.open();
      this.#started = !this.stopping;
    } catch (reason) {
      this.#running = undefined;
      throw reason;
    }
  }

  async #close(running: Promise<void>): Promise<void> {
    // Handlers in hand may publish until they are through.
    await Promise.all([...this.#subscriptions].map((each) => each.stop()));
    this.#subscriptions.clear();
    this.#started = false;
    await this.#publishes.endWithin(this.drainMs);
    await this.close(running);
    await running.catch(() => {});
  }
}
