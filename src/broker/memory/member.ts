import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../../core/clock.js';
import { InHand } from '../../core/in-hand.js';
import { isPromise } from '../../core/lifecycle.js';
import type { Logger } from '../../core/logger.js';
import type { Message } from '../../core/message.js';
import type { Delivery, DeliveryHandler, SubscribeOptions } from '../broker.js';
import { backoffMs } from '../handout.js';

/** An event on its way to one subscriber of a group. */
export interface Event {
  readonly message: Message;
  readonly key: string | undefined;
  readonly attempt: number;
}

export interface MemberParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One subscriber. */
export class Member {
  readonly topic: string;
  readonly options: SubscribeOptions;
  readonly parts: MemberParts;
  readonly inHand = new InHand();
  /** Gives an event to the handler; `again` is called if it is refused. Resolves when the handler is through, and never rejects. */
  readonly deliver: (event: Event, again: (delayMs: number) => void) => Promise<void>;
  readonly #handler: DeliveryHandler;

  constructor(topic: string, handler: DeliveryHandler, options: SubscribeOptions, parts: MemberParts) {
    this.topic = topic;
    this.options = options;
    this.parts = parts;
    this.#handler = handler;
    // Not in the context of whoever publishes: deadline, principal and trace are not for subscribers.
    this.deliver = AsyncResource.bind((event: Event, again: (delayMs: number) => void) =>
      this.inHand.run(() => this.#deliver(event, again)),
    );
  }

  async #deliver({ message, attempt }: Event, again: (delayMs: number) => void): Promise<void> {
    const { topic, options, parts } = this;
    let settled = false;
    const delivery: Delivery = {
      topic,
      message,
      attempt,
      ack() {
        settled = true;
      },
      nack({ delayMs = backoffMs(attempt) } = {}) {
        if (settled) return;
        settled = true;
        again(delayMs);
      },
    };
    try {
      const handled = this.#handler(delivery);
      if (isPromise(handled)) await handled;
      if (options.autoAck !== false) delivery.ack();
    } catch (error) {
      parts.logger.warn('a handler refused an event', { topic, attempt, error });
      delivery.nack();
    }
  }
}
