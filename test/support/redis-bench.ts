import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Redis, type RedisOptions } from 'ioredis';
import type { Broker, Delivery } from '../../src/broker/broker.js';
import { RedisBroker, type RedisBrokerOptions } from '../../src/broker/redis.js';
import { RedisStreamsBroker, type RedisStreamsBrokerOptions } from '../../src/broker/redis-streams.js';
import { OctavoError } from '../../src/core/error.js';
import type { Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { parts } from './parts.js';
import { RedisServer, type RedisServerOptions } from './redis-server.js';

/** Makes brokers at a Redis server, and stops them all. */
export class RedisBench {
  readonly server: RedisServer;
  readonly logger: TestLogger = parts().logger;
  readonly #made: Broker[] = [];
  readonly #raw: Redis[] = [];

  private constructor(server: RedisServer) {
    this.server = server;
  }

  static async with(
    run: (bench: RedisBench) => Promise<void>,
    options: RedisServerOptions = {},
  ): Promise<void> {
    const bench = new RedisBench(await RedisServer.start(options));
    try {
      await run(bench);
    } finally {
      // Whoever is still waiting for something does not wait for long.
      bench.server.resume();
      for (const raw of bench.#raw) raw.disconnect();
      await bench.stop();
      await bench.server.stop();
    }
  }

  /** Stops every broker. */
  async stop(): Promise<void> {
    await Promise.all(this.#made.map(async (broker) => broker.stop()));
  }

  pubsub(options: RedisBrokerOptions = {}): RedisBroker {
    return this.#add(
      new RedisBroker({ addresses: [this.server.address], ...options }, { ...parts(), logger: this.logger }),
    );
  }

  streams(options: RedisStreamsBrokerOptions = {}): RedisStreamsBroker {
    const at = { addresses: [this.server.address], ...options };
    return this.#add(new RedisStreamsBroker(at, { ...parts(), logger: this.logger }));
  }

  /** One of each kind. */
  both(options: RedisBrokerOptions = {}): (RedisBroker | RedisStreamsBroker)[] {
    return [this.pubsub(options), this.streams(options)];
  }

  /** A client that is not Octavo's. */
  raw(options: RedisOptions = {}): Redis {
    const raw = new Redis(this.server.port, '127.0.0.1', { retryStrategy: () => 100, ...options });
    raw.on('error', () => {});
    this.#raw.push(raw);
    return raw;
  }

  /** What was logged, as text. */
  get log(): string {
    return inspect(this.logger.records, { depth: 10 });
  }

  #add<T extends Broker>(broker: T): T {
    this.#made.push(broker);
    return broker;
  }
}

export function event(text: string): Message {
  return { header: new Metadata({ 'Content-Type': 'text/plain' }), body: Buffer.from(text) };
}

export function textIn({ message: { body } }: Delivery): string {
  return Buffer.from(body).toString();
}

/** The error that something fails with. */
export async function failure(run: () => unknown): Promise<OctavoError> {
  try {
    await run();
  } catch (reason) {
    assert.ok(reason instanceof OctavoError, inspect(reason));
    return reason;
  }
  throw new Error('nothing failed');
}

/** How long something takes, in milliseconds. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

/** Waits until it holds. */
export async function until(holds: () => unknown): Promise<void> {
  for (;;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Publishes until the backend has it; returns how often it did not. */
export async function surely(broker: Broker, topic: string, text: string): Promise<number> {
  for (let failed = 0; ; failed++)
    try {
      await broker.publish(topic, event(text));
      return failed;
    } catch (reason) {
      assert.ok(
        reason instanceof OctavoError && ['unavailable', 'deadline_exceeded'].includes(reason.code),
        inspect(reason),
      );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

/** What a handler was given, and a wait for so much of it. */
export class Seen {
  readonly deliveries: Delivery[] = [];

  readonly handler = (delivery: Delivery): void => void this.deliveries.push(delivery);

  get texts(): string[] {
    return this.deliveries.map(textIn);
  }

  async holds(...texts: readonly string[]): Promise<void> {
    await until(() => texts.every((text) => this.texts.includes(text)));
  }
}
