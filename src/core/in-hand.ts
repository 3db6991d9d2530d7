import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from './clock.js';
import type { MaybePromise } from './lifecycle.js';

interface Work {
  readonly done: Promise<void>;
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

  /** How many pieces of work are under way. */
  get size(): number {
    return this.#works.size;
  }

  /** Runs something as a piece of work. */
  async run<T>(something: () => MaybePromise<T>): Promise<T> {
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => (finish = resolve));
    const work: Work = { done, within: current.getStore() };
    this.#works.add(work);
    try {
      return await current.run(work, something);
    } finally {
      this.#works.delete(work);
      finish();
    }
  }

  /** Resolves when nothing is under way but what the caller itself runs in. */
  async idle(): Promise<void> {
    for (let others = this.#others(); others.length > 0; others = this.#others())
      await Promise.all(others.map(({ done }) => done));
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

  #others(): readonly Work[] {
    const own = new Set<Work>();
    for (let work = current.getStore(); work !== undefined; work = work.within) own.add(work);
    return [...this.#works].filter((work) => !own.has(work));
  }
}
