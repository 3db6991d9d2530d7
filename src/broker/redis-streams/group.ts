import type { Redis } from 'ioredis';
import { isBefore, lists, readEntries, readStream, type Entry } from './entry.js';
import { ANCHOR, LEAVE } from './scripts.js';
import type { Again, Source } from './source.js';

export interface GroupInit {
  readonly key: string;
  readonly group: string;
  /** This one of the group. */
  readonly consumer: string;
  readonly durable: boolean;
  /** After which silence others take over what a consumer has in hand, in milliseconds. */
  readonly claimAfterMs: number;
}

/** How many pending entries are asked for at once. */
const PAGE = 1_000;
/** How many are taken over at once, and how many times as many as that is looked at, ten times over. */
const TAKEN = 100;
const PAGES = 10;

/** A consumer of a group: each entry goes to one of them, which has it in hand until it acknowledges it. */
export class GroupSource implements Source {
  readonly #init: GroupInit;
  /** The last entry that was seen: a group that is gone begins anew behind it. */
  #seen = '0-0';
  /** How far it has looked for what others are silent about. */
  #cursor = '0-0';

  constructor(init: GroupInit) {
    this.#init = init;
  }

  async open(redis: Redis): Promise<void> {
    const { key, group } = this.#init;
    await this.#create(redis, '$');
    for (const each of lists(await redis.call('XINFO', 'GROUPS', key))) {
      const fields = lists(each);
      if (fields[1] === group) this.#seen = String(fields[7]);
    }
  }

  async resume(redis: Redis): Promise<void> {
    await this.#restore(redis);
  }

  async read(redis: Redis, count: number, blockMs: number): Promise<readonly Entry[]> {
    const { key, group, consumer } = this.#init;
    const from = ['GROUP', group, consumer, 'COUNT', count, 'BLOCK', blockMs, 'STREAMS', key, '>'];
    let reply: unknown;
    try {
      reply = await redis.callBuffer('XREADGROUP', from);
    } catch (reason) {
      if (!isNoGroup(reason)) throw reason;
      await this.#restore(redis);
      return [];
    }
    const entries = readStream(reply);
    this.#seen = entries.at(-1)?.id ?? this.#seen;
    return entries;
  }

  async ack(redis: Redis, ids: readonly string[]): Promise<void> {
    const { key, group } = this.#init;
    await redis.call('XACK', [key, group, ...ids]);
  }

  async again(redis: Redis, { id, attempt }: Again): Promise<Entry | undefined> {
    const { key } = this.#init;
    await this.#claim(redis, [id], ['IDLE', 0, 'RETRYCOUNT', attempt, 'JUSTID']);
    const [entry] = readEntries(await redis.callBuffer('XRANGE', [key, id, id]));
    return entry;
  }

  async keep(redis: Redis, ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += PAGE)
      await this.#claim(redis, ids.slice(at, at + PAGE), ['IDLE', 0, 'JUSTID']);
  }

  async giveBack(redis: Redis, ids: readonly string[]): Promise<void> {
    await this.#claim(redis, ids, ['IDLE', this.#init.claimAfterMs, 'JUSTID']);
  }

  async takeOver(redis: Redis): Promise<readonly Again[]> {
    const { key, group, consumer, claimAfterMs } = this.#init;
    try {
      for (let page = 0; page < PAGES; page++) {
        const from = [key, group, consumer, claimAfterMs, this.#cursor, 'COUNT', TAKEN, 'JUSTID'];
        const [cursor, ids] = lists(await redis.call('XAUTOCLAIM', from));
        this.#cursor = String(cursor);
        const taken = lists(ids).map(String);
        if (taken.length > 0) return await Promise.all(taken.map((id) => this.#counted(redis, id)));
        if (this.#cursor === '0-0') break;
      }
    } catch (reason) {
      if (!isNoGroup(reason)) throw reason;
    }
    return [];
  }

  async pending(redis: Redis): Promise<readonly Again[]> {
    const { key, group, consumer } = this.#init;
    const pending = await redis.call('XPENDING', key, group, '-', '+', PAGE, consumer);
    return lists(pending).map((each) => {
      const [id, , , count] = lists(each);
      return { id: String(id), attempt: Number(count) };
    });
  }

  async leave(redis: Redis): Promise<void> {
    const { key, group, consumer } = this.#init;
    await redis.call('EVAL', LEAVE, 1, key, group, consumer);
  }

  async #counted(redis: Redis, id: string): Promise<Again> {
    const { key, group } = this.#init;
    const [pending] = lists(await redis.call('XPENDING', key, group, id, id, 1));
    return { id, attempt: Number(lists(pending)[3] ?? 0) + 1 };
  }

  async #claim(redis: Redis, ids: readonly string[], how: readonly (string | number)[]): Promise<void> {
    const { key, group, consumer } = this.#init;
    try {
      await redis.call('XCLAIM', [key, group, consumer, 0, ...ids, ...how]);
    } catch (reason) {
      // What the server has forgotten comes no more, and the next read makes the group anew.
      if (!isNoGroup(reason)) throw reason;
    }
  }

  /** Makes the group where the server has forgotten it, behind what was seen; of a stream that is another one all is new. */
  async #restore(redis: Redis): Promise<void> {
    const { key } = this.#init;
    const last = await lastId(redis, key);
    await this.#create(redis, last === undefined || isBefore(last, this.#seen) ? '0' : this.#seen);
  }

  async #create(redis: Redis, from: string): Promise<void> {
    const { key, group, consumer, durable } = this.#init;
    // In one piece, so that a group without consumers is nobody's that just joined.
    const all = redis
      .multi()
      .xgroup('CREATE', key, group, from, 'MKSTREAM')
      .xgroup('CREATECONSUMER', key, group, consumer);
    if (durable) all.xgroup('CREATECONSUMER', key, group, ANCHOR);
    const results = (await all.exec()) ?? [];
    for (const [error] of results) if (error !== null && !error.message.startsWith('BUSYGROUP')) throw error;
  }
}

/** The last id that a stream has given; `undefined` where there is no stream. */
export async function lastId(redis: Redis, key: string): Promise<string | undefined> {
  try {
    const fields = lists(await redis.call('XINFO', 'STREAM', key));
    return String(fields[fields.indexOf('last-generated-id') + 1]);
  } catch (reason) {
    if (reason instanceof Error && reason.message.includes('no such key')) return undefined;
    throw reason;
  }
}

function isNoGroup(reason: unknown): boolean {
  return reason instanceof Error && /^NOGROUP|no such key/.test(reason.message);
}
