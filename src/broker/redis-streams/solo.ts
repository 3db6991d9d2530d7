import type { Redis } from 'ioredis';
import { isBefore, readEntries, readStream, type Entry } from './entry.js';
import { lastId } from './group.js';
import type { Again, Source } from './source.js';

/** A subscriber that shares with nobody: it keeps in mind how far it has read, and leaves no trace on the server. */
export class SoloSource implements Source {
  readonly #key: string;
  #at = '0-0';

  constructor(key: string) {
    this.#key = key;
  }

  async open(redis: Redis): Promise<void> {
    this.#at = (await lastId(redis, this.#key)) ?? '0-0';
  }

  async resume(redis: Redis): Promise<void> {
    const last = await lastId(redis, this.#key);
    // Another stream under the same name: all of it is new.
    if (last === undefined || isBefore(last, this.#at)) this.#at = '0-0';
  }

  async read(redis: Redis, count: number, blockMs: number): Promise<readonly Entry[]> {
    const from = ['COUNT', count, 'BLOCK', blockMs, 'STREAMS', this.#key, this.#at];
    const entries = readStream(await redis.callBuffer('XREAD', from));
    this.#at = entries.at(-1)?.id ?? this.#at;
    return entries;
  }

  async again(redis: Redis, { id }: Again): Promise<Entry | undefined> {
    const [entry] = readEntries(await redis.callBuffer('XRANGE', [this.#key, id, id]));
    return entry;
  }

  async ack(): Promise<void> {}

  async keep(): Promise<void> {}

  async giveBack(): Promise<void> {}

  async takeOver(): Promise<readonly Again[]> {
    return [];
  }

  async pending(): Promise<readonly Again[]> {
    return [];
  }

  async leave(): Promise<void> {}
}
