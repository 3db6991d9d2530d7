import type { NackOptions } from '../core/context.js';
import type { Lifecycle, MaybePromise } from '../core/lifecycle.js';
import type { Message } from '../core/message.js';

/** What a backend really gives, so that nobody has to guess. */
export interface BrokerGuarantees {
  /** Whether an event reaches a subscriber that is connected: at most once, or at least once. */
  readonly delivery: 'at-most-once' | 'at-least-once';
  /** Whether events wait for a subscriber that is away. */
  readonly durable: boolean;
  /** In which order one subscriber sees the events of one publisher. */
  readonly ordering: 'none' | 'per-topic' | 'per-key';
  /** Whether subscribers of one queue share the events. */
  readonly queues: boolean;
  /** Whether a refused event is delivered again by the backend. */
  readonly redelivery: boolean;
}

/** One delivery, of which the handler may change and keep everything. Exactly one of `ack` and `nack` counts, and only the first call. */
export interface Delivery {
  readonly topic: string;
  readonly message: Message;
  /** Counts the deliveries of this event to this subscriber, from 1, where the backend knows. */
  readonly attempt: number;
  ack(): void;
  /** Refuses it. Where it comes again, that is after `delayMs`, or without it after a time that grows with `attempt`: never at once without end. */
  nack(options?: NackOptions): void;
}

/** Deals with a delivery. Without `autoAck` off, returning is an `ack` and throwing a `nack`. */
export type DeliveryHandler = (delivery: Delivery) => MaybePromise<void>;

export interface SubscribeOptions {
  /** Subscribers with the same queue share the events: each goes to one of them. @defaultValue each gets all */
  readonly queue?: string;
  /** Whether the handler's return acknowledges. @defaultValue `true` */
  readonly autoAck?: boolean;
  /** Whether events must wait while the subscribers of the queue are away. Fails without a queue, and where {@link BrokerGuarantees.durable} is false. @defaultValue `false` */
  readonly durable?: boolean;
}

export interface PublishOptions {
  /** Events with one key stay in order where the backend knows keys. */
  readonly key?: string;
  /** Gives the publish up: it rejects with `cancelled`, and the event may or may not arrive. */
  readonly signal?: AbortSignal;
}

/** A running subscription. */
export interface Subscriber {
  readonly topic: string;
  readonly options: SubscribeOptions;
  /**
   * Takes no more events, and resolves when those in hand are dealt with. Twice is once.
   *
   * What waits for a member of a queue is for the others. A handler may end its own subscription: its own event is not waited for.
   */
  unsubscribe(): Promise<void>;
}

/** What a broker has seen since it was made. */
export interface BrokerStats {
  /** Whether its backend can be reached now; left out where it does not know. */
  readonly connected?: boolean;
  /** Publishes that the backend has confirmed. */
  readonly published: number;
  /** Publishes that failed; those that their publisher gave up are none. */
  readonly failed: number;
  /** Deliveries to handlers, those that came again too. */
  readonly delivered: number;
}

/** What every broker's options have in common. */
export interface BrokerOptions {
  readonly addresses?: readonly string[];
}

/**
 * Carries events from publishers to subscribers.
 *
 * `MemoryBroker` is the shortest full implementation; `octavo/conformance/broker` says whether yours is one too.
 */
export abstract class Broker implements Lifecycle {
  /** What logs and errors call this implementation, and the `broker` in a node's metadata. */
  abstract readonly name: string;
  abstract readonly options: BrokerOptions;
  abstract readonly guarantees: BrokerGuarantees;
  /** Where it listens or is connected to; empty before `start`. */
  abstract readonly address: string;

  /**
   * Hands an event to the backend. Resolves when the backend has it, which says nothing about subscribers.
   *
   * Rejects with `failed_precondition` before `start`, with `resource_exhausted` for what is too large or too much, and with `unavailable`
   * or `deadline_exceeded` where the backend did not say that it has it: never silence, and the event may be there all the same.
   */
  abstract publish(topic: string, message: Message, options?: PublishOptions): Promise<void>;

  /** Begins to receive. Everything published after it resolves arrives, as far as {@link guarantees} go. One that fails leaves nothing behind. */
  abstract subscribe(
    topic: string,
    handler: DeliveryHandler,
    options?: SubscribeOptions,
  ): Promise<Subscriber>;

  /** What it counts, where it does: metrics show it. */
  stats?(): BrokerStats;

  /** Connects. */
  abstract start(): MaybePromise<void>;
  /** Ends every subscription, also one that is being made, waits for what is in hand, but not for ever, and disconnects. */
  abstract stop(): MaybePromise<void>;
}
