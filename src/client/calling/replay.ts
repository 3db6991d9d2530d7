/**
 * The items that a caller streams, as several attempts may send them: what was taken is kept until no other attempt can need it.
 *
 * The caller is asked for each item once, whatever the number of attempts.
 */
export class Replay {
  readonly #source: AsyncIterator<unknown>;
  readonly #kept: IteratorResult<unknown>[] = [];
  #asking: Promise<IteratorResult<unknown>> | undefined;
  #settled = false;
  #left = false;

  constructor(source: AsyncIterator<unknown>) {
    this.#source = source;
  }

  /** The items from the first one, for one attempt. */
  reader(): () => Promise<IteratorResult<unknown>> {
    const kept = this.#kept;
    let at = 0;
    return async () => {
      const step = kept[at++];
      if (step !== undefined) return step;
      if (this.#settled) kept.length = 0;
      return this.#ask();
    };
  }

  /** There will be no other attempt: nothing more is kept. */
  settle(): void {
    this.#settled = true;
  }

  /** Tells the caller that nobody wants more. What that throws then concerns nobody. */
  async leave(): Promise<void> {
    this.settle();
    if (this.#left) return;
    this.#left = true;
    try {
      await this.#source.return?.();
    } catch {
      // The outcome is known already.
    }
  }

  /** An attempt may have given up while it waited: what comes then is the next one's, and so is what the caller throws. */
  #ask(): Promise<IteratorResult<unknown>> {
    return (this.#asking ??= this.#next());
  }

  async #next(): Promise<IteratorResult<unknown>> {
    try {
      const step = await this.#source.next();
      if (!this.#settled) this.#kept.push(step);
      // There is nobody to be told that no more is wanted.
      if (step.done === true) this.#left = true;
      this.#asking = undefined;
      return step;
    } catch (reason) {
      this.#left = true;
      throw reason;
    }
  }
}
