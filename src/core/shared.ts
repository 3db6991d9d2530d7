/** How a thing is opened and closed that several share. */
export interface Opening<T> {
  /** @param signal aborts when nobody wants it any longer */
  open(signal: AbortSignal): Promise<T>;
  close(thing: T): Promise<void>;
}

/** A share in a thing. */
export interface Lease<T> {
  /** Resolves when it is open. Rejects with what opening it failed with; the next lease tries again. */
  readonly ready: Promise<T>;
  /** Gives the share back. The last one closes the thing, and resolves when that is done. Twice is once. */
  release(): Promise<void>;
}

interface Held<T> {
  readonly opening: Opening<T>;
  readonly thing: Promise<T>;
  readonly abort: AbortController;
  leases: number;
}

/**
 * Things of which several owners with the same options have one in common: a connection to a backend that is registry, broker and transport.
 *
 * It is opened for the first, and closed when the last lets go. The container of an app makes one of these for each kind of thing, so that
 * nothing is shared between apps: a class of its own extends it, and is declared injectable.
 */
export class Shared<T> {
  readonly #held = new Map<string, Held<T>>();

  /** How many things are open, or being opened. */
  get size(): number {
    return this.#held.size;
  }

  /** @param options what makes it another thing, as JSON shows it */
  lease(options: unknown, opening: Opening<T>): Lease<T> {
    const key = JSON.stringify(options);
    const held = this.#held.get(key) ?? this.#open(key, opening);
    held.leases++;
    let released: Promise<void> | undefined;
    return { ready: held.thing, release: () => (released ??= this.#release(key, held)) };
  }

  #open(key: string, opening: Opening<T>): Held<T> {
    const abort = new AbortController();
    const held: Held<T> = { opening, abort, thing: opening.open(abort.signal), leases: 0 };
    this.#held.set(key, held);
    held.thing.catch(() => this.#forget(key, held));
    return held;
  }

  async #release(key: string, held: Held<T>): Promise<void> {
    if (--held.leases > 0) return;
    this.#forget(key, held);
    held.abort.abort();
    let thing: T;
    try {
      thing = await held.thing;
    } catch {
      return;
    }
    await held.opening.close(thing);
  }

  #forget(key: string, held: Held<T>): void {
    if (this.#held.get(key) === held) this.#held.delete(key);
  }
}
