import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../core/clock.js';
import { InHand } from '../core/in-hand.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import type { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Delivery, DeliveryHandler, SubscribeOptions } from './broker.js';

/** An event that a backend brought, and what becomes of it there. Of `ack` and `nack` one is called, once. */
export interface Incoming {
  /** Where it was published, where a subscription takes in several topics. @defaultValue that of the subscription */
  readonly topic?: string;
  readonly message: Message;
  /** Counts its deliveries, from 1. */
  readonly attempt: number;
  /** Events of one key are in the handler one at a time, in order. @defaultValue they are of none */
  readonly key?: string | undefined;
  /** Says to the backend that it is dealt with. */
  ack(): MaybePromise<void>;
  /** Has it come again after this time; at once, to whoever is there, with 0. */
  nack(delayMs: number): MaybePromise<void>;
}

export interface HandoutLimits {
  /** How many events the handler deals with at once. */
  readonly concurrency: number;
  /** How many events are held: in the handler, waiting for it, or not acknowledged yet. */
  readonly prefetch: number;
  /** Whether the end finishes what waits, as nobody else would get it. @defaultValue it is given back */
  readonly finishes?: boolean;
}

export interface HandoutParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Hands the events of one subscription to its handler, in order and so many at once, and says to the backend what became of each.
 *
 * Who brings events looks at {@link free} before, or is told by {@link offer} that there is no room.
 */
export class Handout {
  readonly topic: string;
  readonly options: SubscribeOptions;
  readonly #limits: HandoutLimits;
  readonly #parts: HandoutParts;
  readonly #inHand = new InHand();
  readonly #waiting: Held[] = [];
  /** All that are held. */
  readonly #held = new Set<Held>();
  readonly #handle: (held: Held) => Promise<void>;
  /** Of those that run. */
  readonly #keys = new Set<string>();
  #running = 0;
  #ended = false;
  #roomy: (() => void)[] = [];

  constructor(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
    limits: HandoutLimits,
    parts: HandoutParts,
  ) {
    this.topic = topic;
    this.options = options;
    this.#limits = limits;
    this.#parts = parts;
    // Not in the context of whoever publishes: deadline, principal and trace are not for subscribers.
    this.#handle = AsyncResource.bind((held: Held) => this.#inHand.run(() => this.#run(held, handler)));
  }

  /** How many more events it takes now; 0 once it has ended. */
  get free(): number {
    return this.#ended ? 0 : Math.max(0, this.#limits.prefetch - this.#held.size);
  }

  /** Whether the handler is at work, or the backend is being told. */
  get busy(): boolean {
    return this.#inHand.size > 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when there is room, or when it has ended. */
  async room(): Promise<void> {
    while (!this.#ended && this.free === 0) await new Promise<void>((resolve) => this.#roomy.push(resolve));
  }

  /** Takes an event, and hands it to the handler when its turn has come. Returns whether there was room; what is not taken is the caller's. */
  offer(incoming: Incoming): boolean {
    if (this.free === 0) return false;
    const held = new Held(incoming);
    this.#held.add(held);
    this.#waiting.push(held);
    this.#begin();
    return true;
  }

  /**
   * Takes no more, gives back or finishes what waits, and resolves when the handler is through with the rest and the backend was told.
   *
   * What nobody has acknowledged by then is given back too.
   */
  async end(): Promise<void> {
    this.#stopTaking();
    await this.#inHand.idle();
  }

  /** As {@link end}, but not for ever; what goes on after `drainMs` is left alone, and logged. */
  async endWithin(drainMs: number): Promise<void> {
    const { clock, logger } = this.#parts;
    this.#stopTaking();
    if (await this.#inHand.idleWithin(drainMs, clock)) return;
    this.#giveBackAll();
    logger.warn('a subscriber did not end in time, and is left alone', { topic: this.topic, drainMs });
  }

  #stopTaking(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const wake of this.#roomy.splice(0)) wake();
    if (this.#limits.finishes !== true) this.#giveBackAll();
  }

  #giveBackAll(): void {
    this.#waiting.length = 0;
    for (const held of this.#held) if (!held.running) this.#giveBack(held);
  }

  #begin(): void {
    while (this.#running < this.#limits.concurrency) {
      const at = this.#waiting.findIndex(
        ({ incoming: { key } }) => key === undefined || !this.#keys.has(key),
      );
      const [held] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (held === undefined) return;
      const { key } = held.incoming;
      if (key !== undefined) this.#keys.add(key);
      this.#running++;
      held.running = true;
      void this.#handle(held);
    }
  }

  async #run(held: Held, handler: DeliveryHandler): Promise<void> {
    const { message, attempt, key, topic = this.topic } = held.incoming;
    const delivery: Delivery = {
      topic,
      message,
      attempt,
      ack: () => this.#settle(held, () => held.incoming.ack()),
      nack: ({ delayMs = backoffMs(attempt) } = {}) => this.#settle(held, () => held.incoming.nack(delayMs)),
    };
    try {
      const handled = handler(delivery);
      if (isPromise(handled)) await handled;
      if (this.options.autoAck !== false) delivery.ack();
    } catch (error) {
      this.#parts.logger.warn('a handler refused an event', { topic, attempt, error });
      delivery.nack();
    }
    held.running = false;
    if (key !== undefined) this.#keys.delete(key);
    this.#running--;
    if (this.#ended) this.#giveBack(held);
    this.#begin();
  }

  #giveBack(held: Held): void {
    this.#settle(held, () => held.incoming.nack(0));
  }

  /** Tells the backend, once; the end waits for it. */
  #settle(held: Held, tell: () => MaybePromise<void>): void {
    if (held.settled) return;
    held.settled = true;
    void this.#inHand.run(async () => {
      try {
        const told = tell();
        if (isPromise(told)) await told;
      } catch (error) {
        const { topic } = this;
        this.#parts.logger.warn('the backend was not told what became of an event, which may come again', {
          topic,
          error,
        });
      }
      this.#held.delete(held);
      for (const wake of this.#roomy.splice(0)) wake();
    });
  }
}

/** An event between its arrival and the word of its handler. */
class Held {
  readonly incoming: Incoming;
  running = false;
  settled = false;

  constructor(incoming: Incoming) {
    this.incoming = incoming;
  }
}

/** How long a refused event waits where nobody says: 100 ms, doubled for each delivery, at most 10 s. */
export function backoffMs(attempt: number): number {
  return Math.min(10_000, 100 * 2 ** (attempt - 1));
}
