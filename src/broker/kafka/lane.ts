import type { Producer } from '@platformatic/kafka';
import { isCalled } from './client.js';

/** Bytes of the events that go in one request: what a server takes unless it is told otherwise. */
const BATCH_BYTES = 1_000_000;
const BATCH_EVENTS = 2_000;

interface Entry {
  readonly key: string | undefined;
  readonly value: Buffer;
  /** When nobody waits for it any longer, in milliseconds since the epoch. */
  readonly until: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * What is published to one topic, in order: one request at a time, and what comes meanwhile goes together in the next.
 *
 * That is twenty times as fast as a request for each, and many at once would be in no order. One topic does not wait for another.
 */
export class Lane {
  readonly #topic: string;
  readonly #producer: Producer;
  readonly #now: () => number;
  readonly #onIdle: () => void;
  #entries: Entry[] = [];
  /** In the request that is under way. */
  #underWay: readonly Entry[] = [];
  #sending = false;

  /** @param onIdle called when nothing is under way */
  constructor(topic: string, producer: Producer, now: () => number, onIdle: () => void) {
    this.#topic = topic;
    this.#producer = producer;
    this.#now = now;
    this.#onIdle = onIdle;
  }

  /** Resolves when every replica in sync has the event. What is not sent by `until` is not sent at all. */
  publish(value: Buffer, key: string | undefined, until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#entries.push({ key, value, until, resolve, reject });
      if (!this.#sending) void this.#send();
    });
  }

  /** Rejects what is under way and what waits: the producer can be used no more. */
  end(reason: Error): void {
    for (const { reject } of [...this.#underWay, ...this.#entries.splice(0)]) reject(reason);
  }

  async #send(): Promise<void> {
    this.#sending = true;
    // What is published in this turn of the event loop goes together.
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) {
      this.#underWay = this.#batch();
      if (this.#underWay.length === 0) break;
      await this.#sendBatch(this.#underWay);
    }
    this.#sending = false;
    this.#onIdle();
  }

  async #sendBatch(batch: readonly Entry[]): Promise<void> {
    try {
      await this.#producer.send({
        messages: batch.map(({ key, value }) => ({
          topic: this.#topic,
          value,
          ...(key !== undefined && { key: Buffer.from(key) }),
        })),
      });
      for (const { resolve } of batch) resolve();
    } catch (reason) {
      // One that is too large is nothing to the others.
      if (batch.length > 1 && isCalled(reason, 'MESSAGE_TOO_LARGE'))
        for (const each of batch) await this.#sendBatch([each]);
      else for (const { reject } of batch) reject(reason);
    }
  }

  /** What goes next, without those that nobody waits for. */
  #batch(): Entry[] {
    const now = this.#now();
    const live = this.#entries.filter(({ until }) => until > now);
    let bytes = 0;
    let count = 0;
    for (const { value, key = '' } of live) {
      bytes += value.length + key.length;
      if (count > 0 && (bytes > BATCH_BYTES || count === BATCH_EVENTS)) break;
      count++;
    }
    this.#entries = live.slice(count);
    return live.slice(0, count);
  }
}
