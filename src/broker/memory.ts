import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import { Metadata } from '../core/metadata.js';
import type { Provider } from '../core/provider.js';
import {
  Broker,
  type BrokerStats,
  type BrokerOptions,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';
import { MemoryBus } from './memory/bus.js';
import { Member } from './memory/member.js';
import { Traffic } from './traffic.js';

export { MemoryBus } from './memory/bus.js';

export interface MemoryBrokerOptions extends BrokerOptions {
  /** What this broker shares with others. @defaultValue a bus of its own */
  readonly bus?: MemoryBus;
  /** How many events wait for one subscriber or queue; over it `publish` rejects with `resource_exhausted`. @defaultValue `1_024` */
  readonly maxQueue?: number;
  /** Bytes of one event's body; over it `publish` rejects with `resource_exhausted`. @defaultValue 4 MiB */
  readonly maxMessageBytes?: number;
  /** For how long `stop` waits for events in hand, in milliseconds. @defaultValue `10_000` */
  readonly drainMs?: number;
}

export interface MemoryBrokerParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Delivers events within one process, in the order they were published, one at a time for each subscriber.
 *
 * Publishing does not wait for subscribers. A refused event comes again, to any subscriber of its queue, behind those that wait by then:
 * after the delay that was asked for, or 100 ms, doubled for each delivery, at most 10 s.
 */
export class MemoryBroker extends Broker {
  readonly name = 'memory';
  readonly address = 'memory';
  readonly guarantees = {
    delivery: 'at-least-once',
    durable: false,
    ordering: 'per-topic',
    queues: true,
    redelivery: true,
  } as const;
  readonly options: MemoryBrokerOptions;
  readonly #parts: MemoryBrokerParts;
  readonly #traffic = new Traffic();
  readonly #bus: MemoryBus;
  readonly #own = new Set<Member>();
  #started = false;

  constructor(options: MemoryBrokerOptions, parts: MemoryBrokerParts) {
    super();
    this.options = options;
    this.#parts = parts;
    this.#bus = options.bus ?? new MemoryBus();
  }

  override stats(): BrokerStats {
    return this.#traffic.stats(this.#started);
  }

  start(): void {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
    await Promise.all([...this.#own].map((member) => this.#end(member)));
  }

  publish(topic: string, message: Message, options: PublishOptions = {}): Promise<void> {
    return this.#traffic.publish(this.#publish(topic, message, options));
  }

  async #publish(topic: string, { header, body }: Message, { key, signal }: PublishOptions): Promise<void> {
    this.#check();
    if (signal?.aborted === true)
      throw new OctavoError('cancelled', `the publish to "${topic}" was aborted`, { cause: signal.reason });
    const { maxQueue = 1_024, maxMessageBytes = 4 * 1024 * 1024 } = this.options;
    if (body.length > maxMessageBytes)
      throw new OctavoError(
        'resource_exhausted',
        `an event of ${body.length} bytes for "${topic}" is over the limit of ${maxMessageBytes} (maxMessageBytes)`,
      );
    const groups = this.#bus.groups(topic);
    if (groups.some(({ waiting }) => waiting >= maxQueue))
      throw new OctavoError(
        'resource_exhausted',
        `a subscriber of "${topic}" is ${maxQueue} events behind (maxQueue)`,
      );
    // Each gets its own: what one changes is not seen by another.
    for (const group of groups)
      group.push({
        message: { header: new Metadata(header), body: new Uint8Array(body) },
        key,
        attempt: 1,
      });
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    this.#check();
    if (options.durable === true)
      throw new OctavoError(
        'failed_precondition',
        `the memory broker keeps nothing while a subscriber of "${topic}" is away: leave "durable" out`,
      );
    const member = new Member(topic, this.#traffic.counted(handler), options, this.#parts);
    this.#own.add(member);
    this.#bus.join(member);
    return {
      topic,
      options,
      unsubscribe: async () => {
        this.#bus.leave(member);
        await member.inHand.idle();
        this.#own.delete(member);
      },
    };
  }

  async #end(member: Member): Promise<void> {
    const { drainMs = 10_000 } = this.options;
    const { clock, logger } = this.#parts;
    this.#bus.leave(member);
    if (!(await member.inHand.idleWithin(drainMs, clock)))
      logger.warn('a subscriber did not end in time, and is left alone', { topic: member.topic, drainMs });
    this.#own.delete(member);
  }

  #check(): void {
    if (!this.#started)
      throw new OctavoError('failed_precondition', 'the memory broker is not started: call start() first');
  }
}

/** Delivers within this process. */
export function memory(options: MemoryBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new MemoryBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}
