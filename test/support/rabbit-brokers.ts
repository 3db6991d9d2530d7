import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Delivery } from '../../src/broker/broker.js';
import { RabbitBroker, type RabbitBrokerOptions } from '../../src/broker/rabbitmq.js';
import type { Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { parts } from './parts.js';
import type { RabbitServer } from './rabbit-server.js';

/** Makes brokers at a server, and stops them all. */
export class RabbitBrokers {
  readonly logger: TestLogger = parts().logger;
  readonly #server: RabbitServer;
  readonly #made: RabbitBroker[] = [];

  private constructor(server: RabbitServer) {
    this.#server = server;
  }

  static async with(server: RabbitServer, run: (brokers: RabbitBrokers) => Promise<void>): Promise<void> {
    const brokers = new RabbitBrokers(server);
    try {
      await run(brokers);
    } finally {
      for (const broker of brokers.#made) await broker.stop();
    }
  }

  make(options: RabbitBrokerOptions = {}): RabbitBroker {
    const addresses = [this.#server.address];
    const broker = new RabbitBroker({ addresses, ...options }, { ...parts(), logger: this.logger });
    this.#made.push(broker);
    return broker;
  }

  async started(options?: RabbitBrokerOptions): Promise<RabbitBroker> {
    const broker = this.make(options);
    await broker.start();
    return broker;
  }
}

export function event(body: string | Uint8Array): Message {
  return { header: new Metadata({ 'Content-Type': 'text/plain' }), body: Buffer.from(body) };
}

/** Keeps what is delivered, and waits for so much of it. */
export class Events {
  readonly deliveries: Delivery[] = [];
  #wake = (): void => {};

  readonly handler = (delivery: Delivery): void => {
    this.deliveries.push(delivery);
    this.#wake();
  };

  get texts(): string[] {
    return this.deliveries.map(({ message: { body } }) => Buffer.from(body).toString());
  }

  async holds(wanted: (texts: string[]) => boolean): Promise<string[]> {
    while (!wanted(this.texts)) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.texts;
  }
}

/** Publishes until the server takes it. */
export async function publishes(broker: RabbitBroker, topic: string, body: string): Promise<void> {
  for (;;)
    try {
      return await broker.publish(topic, event(body));
    } catch (reason) {
      const { code } = reason as { code?: string };
      assert.ok(code === 'unavailable' || code === 'deadline_exceeded', inspect(reason));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
}
