/** Items on their way out: each `send` resolves when the one who reads asks for the next, which is when it has dealt with it. */
export class Outbox<T> implements AsyncIterableIterator<T> {
  #offered: { readonly item: T; readonly taken: () => void } | undefined;
  #asking: ((step: IteratorResult<T>) => void) | undefined;
  #taken: (() => void) | undefined;
  #ended = false;

  /** Offers an item. After the end it is dropped. One at a time. */
  send(item: T): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((taken) => {
      const asking = this.#asking;
      if (asking === undefined) {
        this.#offered = { item, taken };
        return;
      }
      this.#asking = undefined;
      this.#taken = taken;
      asking({ done: false, value: item });
    });
  }

  /** No more items. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#release();
    this.#asking?.({ done: true, value: undefined });
    this.#asking = undefined;
  }

  next(): Promise<IteratorResult<T>> {
    this.#release();
    const offered = this.#offered;
    if (offered !== undefined) {
      this.#offered = undefined;
      this.#taken = offered.taken;
      return Promise.resolve({ done: false, value: offered.item });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#asking = resolve;
    });
  }

  /** Nobody reads on: what waits is dropped. */
  async return(): Promise<IteratorResult<T>> {
    this.#offered?.taken();
    this.#offered = undefined;
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #release(): void {
    this.#taken?.();
    this.#taken = undefined;
  }
}
