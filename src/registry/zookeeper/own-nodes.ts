import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import type { Link } from './link.js';
import type { Watching } from './watched.js';

export interface OwnNodesParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The connection that works. Throws `unavailable` while there is none. */
  readonly link: () => Link;
}

interface Own {
  readonly data: Buffer;
  readonly timer: Timer | undefined;
  /** Aborted when it is to be there no longer. */
  readonly gone: AbortController;
  /** Has it back where somebody takes it away by hand. */
  readonly watching: Watching;
}

/** How often it is tried to make a node that others take away, or remake, meanwhile. */
const TRIES = 5;
/** How long after somebody took a node away it is put back, in milliseconds: who registers it anew takes it away first. */
const BACK_MS = 100;

/**
 * The nodes that were registered here, each an ephemeral one: it goes with the session of this process.
 *
 * While the process lives its session does, so that the time of a node that nobody renews is kept here.
 */
export class OwnNodes {
  readonly #parts: OwnNodesParts;
  readonly #nodes = new Map<string, Own>();
  /** Those that have gone here, and may still be there. */
  readonly #leaving = new Set<string>();
  /** Changes, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: OwnNodesParts) {
    this.#parts = parts;
  }

  /** Makes nodes, or renews them. What is renewed while there is no connection is made as soon as there is one. */
  put(nodes: ReadonlyMap<string, Buffer>, ttlMs: number | undefined): Promise<void> {
    for (const [path, data] of nodes) if (this.#nodes.has(path)) this.#keep(path, data, ttlMs);
    return this.#inTurn(async () => {
      const link = this.#parts.link();
      await all([...nodes], async ([path, data]) => {
        const known = this.#nodes.has(path);
        await place(link, path, data, known);
        this.#keep(path, data, ttlMs);
        this.#leaving.delete(path);
        await this.#guard(link, path);
      });
    });
  }

  /** Takes nodes away, also those that others have made. */
  remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#forget(path);
    return this.#inTurn(async () => {
      // It may have been under way.
      for (const path of paths) this.#forget(path);
      const link = this.#parts.link();
      await all(paths, async (path) => {
        await link.remove(path);
        this.#leaving.delete(path);
      });
    });
  }

  /** Puts right what is there, after a connection was lost. */
  restore(link: Link): Promise<void> {
    return this.#inTurn(async () => {
      await all([...this.#leaving], async (path) => {
        await link.remove(path);
        this.#leaving.delete(path);
      });
      await all([...this.#nodes], async ([path, { data }]) => {
        await place(link, path, data, true);
        await this.#guard(link, path);
      });
    });
  }

  clear(): void {
    for (const { timer, gone } of this.#nodes.values()) {
      timer?.cancel();
      gone.abort();
    }
    this.#nodes.clear();
    this.#leaving.clear();
  }

  #keep(path: string, data: Buffer, ttlMs: number | undefined): void {
    const { clock } = this.#parts;
    const own = this.#nodes.get(path);
    own?.timer?.cancel();
    const timer =
      ttlMs === undefined
        ? undefined
        : clock.after(ttlMs, () => void this.#expire(path), { background: true });
    const gone = own?.gone ?? new AbortController();
    const watching = own?.watching ?? { signal: gone.signal, changed: () => this.#suspect(path) };
    this.#nodes.set(path, { data, timer, gone, watching });
  }

  #forget(path: string): void {
    const own = this.#nodes.get(path);
    if (own === undefined) return;
    own.timer?.cancel();
    own.gone.abort();
    this.#nodes.delete(path);
    this.#leaving.add(path);
  }

  async #expire(path: string): Promise<void> {
    try {
      await this.remove([path]);
    } catch (error) {
      this.#parts.logger.debug('a node that has expired goes later', { path, error });
    }
  }

  async #guard(link: Link, path: string): Promise<void> {
    const own = this.#nodes.get(path);
    if (own !== undefined) await link.exists(path, own.watching);
  }

  /** Something has happened to a node. One that another session has made its own is left to that. */
  #suspect(path: string): void {
    const { clock, logger } = this.#parts;
    const look = async (): Promise<void> => {
      const link = this.#parts.link();
      const own = this.#nodes.get(path);
      if (own === undefined) return;
      if ((await link.read(path)) === undefined) await place(link, path, own.data, false);
      await this.#guard(link, path);
    };
    const looked = (error: unknown): void =>
      logger.debug('a node that was taken away comes with the next renewal', { path, error });
    clock.after(BACK_MS, () => void this.#inTurn(look).catch(looked), { background: true });
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

/** For each, at the same time: what fails does not keep others from being done. */
async function all<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const done = await Promise.allSettled(items.map(run));
  const failed = done.find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/**
 * Makes a node of this session's.
 *
 * One of an earlier session has to go first: it would vanish with that. So has one of go-micro's, which would never.
 */
async function place(link: Link, path: string, data: Buffer, known: boolean): Promise<void> {
  let there = known ? await link.read(path) : undefined;
  for (let tried = 0; tried < TRIES; tried++) {
    if (there?.owner === link.session) {
      if (there.data.equals(data) || (await link.write(path, data))) return;
    } else if (there !== undefined) await link.remove(path);
    const made = await link.create(path, data);
    if (made === 'created') return;
    if (made === 'no parent') await link.make(path.slice(0, path.lastIndexOf('/')));
    else there = await link.read(path);
  }
  throw new OctavoError('aborted', `somebody else changes "${path}" of ZooKeeper all the time`);
}
