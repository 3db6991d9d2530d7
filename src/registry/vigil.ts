import type { Clock } from '../core/clock.js';
import type { Turns } from '../core/turns.js';

export interface VigilParts {
  readonly clock: Clock;
  /** Renewals take their turn among what else is done to a node. */
  readonly turns: Turns;
  /** Resolves when a node is gone that was registered from here, rejects when nobody can tell any more. With the signal it ends at once. */
  readonly gone: (key: string, signal: AbortSignal) => Promise<void>;
}

/** How long after a loss nodes are registered again, in milliseconds: twice as long each time it fails, with jitter. */
const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

interface Kept {
  readonly ttlMs: number;
  readonly renew: () => Promise<void>;
  readonly renewedAt: number;
}

/**
 * Has nodes that were registered from here registered again at once where the backend lost them: renewals alone would leave them unknown
 * for a while.
 *
 * It keeps an eye on one of them. Where that is gone, or the backend cannot be asked, it renews them all as soon as it can; but none whose
 * time has run out, as its server wants it no more.
 */
export class Vigil {
  readonly #parts: VigilParts;
  /** By key. */
  readonly #kept = new Map<string, Kept>();
  /** The one that is looked at, and what ends the looking. */
  #looking: { readonly key: string; readonly end: AbortController } | undefined;
  #pause = SHORTEST_PAUSE_MS;

  constructor(parts: VigilParts) {
    this.#parts = parts;
  }

  /** A node was registered or renewed, as its server wants it. */
  keep(key: string, ttlMs: number | undefined, renew: () => Promise<void>): void {
    this.#kept.set(key, { ttlMs: ttlMs ?? Infinity, renew, renewedAt: this.#parts.clock.now() });
    if (this.#looking === undefined) void this.#look(key);
  }

  /** A node is to be there no more. */
  drop(key: string): void {
    this.#kept.delete(key);
    if (this.#looking?.key === key) this.#looking.end.abort();
  }

  /** Looks no more. What is there stays. */
  end(): void {
    this.#kept.clear();
    this.#looking?.end.abort();
  }

  async #look(first: string): Promise<void> {
    for (let key: string | undefined = first; key !== undefined; [key] = this.#kept.keys()) {
      const end = new AbortController();
      this.#looking = { key, end };
      try {
        await this.#parts.gone(key, end.signal);
      } catch {
        // It may be there or not.
      }
      if (end.signal.aborted) continue;
      await this.#rest(end.signal);
      await this.#renewAll();
    }
    this.#looking = undefined;
  }

  async #renewAll(): Promise<void> {
    const { clock, turns } = this.#parts;
    const now = clock.now();
    for (const [key, { ttlMs, renewedAt }] of this.#kept)
      if (now - renewedAt >= ttlMs) this.#kept.delete(key);
    // When its turn has come, a node may be another, or not wanted any more.
    const renewals = [...this.#kept.keys()].map((key) =>
      turns.take(key, async () => this.#kept.get(key)?.renew()),
    );
    const done = await Promise.allSettled(renewals);
    if (done.every(({ status }) => status === 'fulfilled')) this.#pause = SHORTEST_PAUSE_MS;
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const ms = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    try {
      await this.#parts.clock.sleep(ms, signal);
    } catch {
      // There is another one to look at.
    }
  }
}
