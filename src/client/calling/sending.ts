import type { MaybePromise } from '../../core/lifecycle.js';
import { iterate, leave } from './items.js';

/** What a caller sends on a stream. */
export class Sending {
  #source: AsyncIterator<unknown> | undefined;
  #left = false;

  /**
   * Sends item by item until there is no more, or nobody wants it. Returns whether all of it was sent. Rejects with what the caller throws,
   * or what sending throws.
   */
  async all(items: unknown, send: (item: unknown) => MaybePromise<void>): Promise<boolean> {
    try {
      const source = iterate(items);
      this.#source = source;
      for (;;) {
        const step = await source.next();
        if (this.#left) return false;
        if (step.done === true) break;
        await send(step.value);
        if (this.#left) return false;
      }
    } catch (reason) {
      this.#source = undefined;
      throw reason;
    }
    this.#source = undefined;
    return true;
  }

  /** Nobody wants more, which the caller is told. */
  leave(): void {
    this.#left = true;
    void leave(this.#source);
  }
}
