import { OctavoError } from '../core/error.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import {
  Broker,
  type BrokerOptions,
  type DeliveryHandler,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';

/** Delivers within one process. */
export class MemoryBroker extends Broker {
  readonly name = 'memory';
  readonly address = 'memory';
  readonly guarantees = {
    delivery: 'at-most-once',
    durable: false,
    ordering: 'per-topic',
    queues: true,
    redelivery: false,
  } as const;
  readonly options: BrokerOptions;
  readonly #handlers = new Map<string, Set<DeliveryHandler>>();

  constructor(options: BrokerOptions = {}) {
    super();
    this.options = options;
  }
  start(): void {}
  stop(): void {
    this.#handlers.clear();
  }
  async publish(topic: string, message: Message): Promise<void> {
    for (const handler of this.#handlers.get(topic) ?? [])
      setImmediate(() => void handler({ topic, message, attempt: 1, ack() {}, nack() {} }));
  }
  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    if (options.durable === true)
      throw new OctavoError('failed_precondition', 'the memory broker keeps nothing');
    const handlers = this.#handlers.get(topic) ?? new Set();
    handlers.add(handler);
    this.#handlers.set(topic, handlers);
    return { topic, options, unsubscribe: async () => void handlers.delete(handler) };
  }
}

/** Delivers within one process. */
export function memory(): Provider<Broker> {
  return () => new MemoryBroker();
}
