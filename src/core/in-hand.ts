import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from './clock.js';
import type { MaybePromise } from './lifecycle.js';

interface Work {
  /** The work that this was begun in. */
  readonly within: Work | undefined;
}

const current = new AsyncLocalStorage<Work>();

/**
 * Work that is under way, to be waited for.
 *
 * Who waits from within such work does not wait for that one, which would be for ever: a handler may end its own subscription.
 */
export class InHand {
  readonly #works = new Set<Work>();
  /** Told when a piece of work ends. */
  #waiting: (() => void)[] = [];

  /** How many pieces of work are under way. */
  get size(): number {
    return this.#works.size;
  }

  /** Runs something as a piece of work. */
  async run<T>(something: () => MaybePromise<T>): Promise<T> {
    const work: Work = { within: current.getStore() };
    this.#works.add(work);
    try {
      return await current.run(work, something);
    } finally {
      this.#works.delete(work);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Resolves when nothing is under way but what the caller itself runs in. */
  async idle(): Promise<void> {
    while (this.#others()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** As {@link idle}, for at most `ms` milliseconds. Says whether it came to that. */
  async idleWithin(ms: number, clock: Clock): Promise<boolean> {
    let stopWaiting = (): void => {};
    const late = new Promise<boolean>((resolve) => {
      const timer = clock.after(ms, () => resolve(false));
      stopWaiting = () => timer.cancel();
    });
    try {
      return await Promise.race([this.idle().then(() => true), late]);
    } finally {
      stopWaiting();
    }
  }

  #others(): boolean {
    let own = 0;
    for (let work = current.getStore(); work !== undefined; work = work.within)
      if (this.#works.has(work)) own++;
    return this.#works.size > own;
  }
}
