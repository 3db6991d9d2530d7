import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Broker, Delivery } from '../../../src/broker/broker.js';
import { OctavoError } from '../../../src/core/error.js';
import type { Message } from '../../../src/core/message.js';
import { Metadata } from '../../../src/core/metadata.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { parts } from '../../support/parts.js';

type BenchParts = ReturnType<typeof parts>;

/** Makes brokers at one server, and stops them all. */
export class BrokerBench<O extends object> {
  readonly logger: TestLogger = parts().logger;
  readonly #make: (options: O, parts: BenchParts) => Broker;
  readonly #made: Broker[] = [];

  private constructor(make: (options: O, parts: BenchParts) => Broker) {
    this.#make = make;
  }

  static async with<O extends object>(
    make: (options: O, parts: BenchParts) => Broker,
    run: (bench: BrokerBench<O>) => Promise<void>,
  ): Promise<void> {
    const bench = new BrokerBench(make);
    try {
      await run(bench);
    } finally {
      for (const broker of bench.#made) await broker.stop();
    }
  }

  make(options: O): Broker {
    const broker = this.#make(options, { ...parts(), logger: this.logger });
    this.#made.push(broker);
    return broker;
  }

  async started(options: O): Promise<Broker> {
    const broker = this.make(options);
    await broker.start();
    return broker;
  }
}

export function event(text: string): Message {
  return { header: new Metadata({ 'Content-Type': 'text/plain' }), body: Buffer.from(text) };
}

export function textOf({ message }: Delivery): string {
  return Buffer.from(message.body).toString();
}

/** Keeps the texts of what is delivered, and waits for some of them. */
export class Got {
  readonly texts: string[] = [];
  #waiting: (() => void)[] = [];

  readonly handler = (delivery: Delivery): void => {
    this.texts.push(textOf(delivery));
    for (const wake of this.#waiting.splice(0)) wake();
  };

  /** Resolves when this has come, or all of these. */
  async has(...wanted: readonly string[]): Promise<void> {
    while (!wanted.every((each) => this.texts.includes(each)))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** Publishes again until it is confirmed. Returns what it failed with, each once. */
export async function publishUntilConfirmed(
  broker: Broker,
  topic: string,
  text: string,
): Promise<Set<string>> {
  const codes = new Set<string>();
  for (;;)
    try {
      await broker.publish(topic, event(text));
      return codes;
    } catch (reason) {
      assert.ok(reason instanceof OctavoError, inspect(reason));
      codes.add(reason.code);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

/** How long something takes, in milliseconds. */
export async function timed(run: () => unknown): Promise<number> {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
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
