import type { Subscriber } from '../broker/broker.js';
import { OctavoError } from '../core/error.js';
import { InHand } from '../core/in-hand.js';
import type { Message } from '../core/message.js';
import type { Wrapper } from '../wrapper/wrapper.js';
import type { Subscription } from './server.js';
import { Running, type RunningParts } from './subscriptions/running.js';

export type SubscriptionsParts = RunningParts;

/** Runs the subscribers of a service: decodes, wraps, tries again and buries, the same on every broker. */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #wrappers: readonly Wrapper[];
  readonly #running: Running[] = [];
  #started = false;

  constructor(parts: SubscriptionsParts, wrappers: readonly Wrapper[]) {
    this.#parts = parts;
    this.#wrappers = wrappers;
  }

  get all(): readonly Subscription[] {
    return this.#running.map(({ subscription }) => subscription);
  }

  /**
   * Adds subscriptions: they begin with {@link start}, or now when that was. When one cannot begin, none is added.
   *
   * @throws `failed_precondition` for what the broker cannot give
   */
  async add(subscriptions: readonly Subscription[]): Promise<readonly Subscriber[]> {
    const added = subscriptions.map((each) => new Running(each, this.#wrappers, this.#parts));
    this.#running.push(...added);
    try {
      if (this.#started) for (const each of added) await each.begin();
    } catch (reason) {
      for (const each of added) await this.#remove(each);
      throw reason;
    }
    return added.map((each) => new Handle(each.subscription, () => this.#remove(each)));
  }

  async start(): Promise<void> {
    this.#started = true;
    for (const each of this.#running) await each.begin();
  }

  /** Takes no more events, and waits for those in hand; cancels them when `drainMs` have passed, and waits no longer. */
  async stop(drainMs: number): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    const { clock, logger, identity } = this.#parts;
    const ending = new InHand();
    for (const each of this.#running) void ending.run(() => this.#end(each));
    if (await ending.idleWithin(drainMs, clock)) return;
    const events = this.#running.reduce((sum, { inHand }) => sum + inHand, 0);
    logger.warn('cancelling events that did not end in time', { events, drainMs });
    for (const each of this.#running)
      each.cancel(new OctavoError('unavailable', `${identity.name} is stopping`));
  }

  /** Gives an event that came another way to every subscription of its topic. Rejects with what the first failing one threw. */
  async deliver(topic: string, message: Message): Promise<void> {
    const matching = this.#running.filter(({ subscription }) => subscription.topic === topic);
    if (matching.length === 0)
      throw new OctavoError('not_found', `${this.#parts.identity.name} has no subscriber of "${topic}"`, {
        executed: false,
      });
    for (const each of matching)
      await each.once({ topic, message, attempt: 1 }, { acknowledge() {}, refuse() {} });
  }

  async #remove(running: Running): Promise<void> {
    const at = this.#running.indexOf(running);
    if (at >= 0) this.#running.splice(at, 1);
    await this.#end(running);
  }

  async #end(running: Running): Promise<void> {
    try {
      await running.end();
    } catch (error) {
      const { topic, name } = running.subscription;
      this.#parts.logger.warn('a subscriber could not be ended', { topic, subscriber: name, error });
    }
  }
}

class Handle implements Subscriber {
  readonly topic: string;
  readonly options: Subscriber['options'];
  readonly #remove: () => Promise<void>;

  constructor({ topic, options }: Subscription, remove: () => Promise<void>) {
    this.topic = topic;
    this.options = {
      ...(options.queue !== undefined && { queue: options.queue }),
      ...(options.durable !== undefined && { durable: options.durable }),
    };
    this.#remove = remove;
  }

  unsubscribe(): Promise<void> {
    return this.#remove();
  }
}
