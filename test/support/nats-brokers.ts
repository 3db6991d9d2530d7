import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Broker, Delivery } from '../../src/broker/broker.js';
import { OctavoError } from '../../src/core/error.js';
import type { Message } from '../../src/core/message.js';
import { Metadata, type MetadataInit } from '../../src/core/metadata.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { NatsServer, type NatsServerOptions } from './nats-server.js';
import { parts } from './parts.js';

type Make<O> = new (
  options: O & { readonly addresses: readonly string[] },
  made: ReturnType<typeof parts>,
) => Broker;

/** Makes brokers at a server, and stops them all. */
export class Brokers<O extends object> {
  readonly server: NatsServer;
  readonly logger: TestLogger = parts().logger;
  readonly #make: Make<O>;
  readonly #made: Broker[] = [];

  private constructor(make: Make<O>, server: NatsServer) {
    this.#make = make;
    this.server = server;
  }

  static async with<O extends object>(
    make: Make<O>,
    run: (brokers: Brokers<O>) => Promise<void>,
    options: NatsServerOptions = {},
  ): Promise<void> {
    const brokers = new Brokers<O>(make, await NatsServer.start(options));
    try {
      await run(brokers);
    } finally {
      for (const broker of brokers.#made) await broker.stop();
      await brokers.server.stop();
    }
  }

  make(options: O): Broker {
    const addresses = [this.server.address];
    const broker = new this.#make({ addresses, ...options }, { ...parts(), logger: this.logger });
    this.#made.push(broker);
    return broker;
  }

  async started(options: O): Promise<Broker> {
    const broker = this.make(options);
    await broker.start();
    return broker;
  }
}

export function event(body: string | Uint8Array, header: MetadataInit = {}): Message {
  return { header: new Metadata(header).set('Content-Type', 'text/plain'), body: Buffer.from(body) };
}

/** Keeps what is delivered, and waits for it. */
export class Inbox {
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

/** Something to wait for until the test releases it. */
export function gated(): { readonly open: Promise<void>; readonly release: () => void } {
  let release = (): void => {};
  const open = new Promise<void>((resolve) => (release = resolve));
  return { open, release: () => release() };
}

/** Publishes until the server takes it. */
export async function publishes(broker: Broker, topic: string, body: string): Promise<void> {
  for (;;)
    try {
      return await broker.publish(topic, event(body));
    } catch (reason) {
      const code = reason instanceof OctavoError ? reason.code : '';
      assert.ok(['unavailable', 'deadline_exceeded'].includes(code), inspect(reason));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
}
