/** A map that holds so many things and no more: what was asked for longest ago makes room. */
export class Bounded<T> implements Iterable<readonly [string, T]> {
  readonly #most: number;
  readonly #kept = new Map<string, T>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(key: string): T | undefined {
    const value = this.#kept.get(key);
    if (value === undefined) return undefined;
    // A map is in the order in which its keys were added.
    this.#kept.delete(key);
    this.#kept.set(key, value);
    return value;
  }

  /** Returns what had to make room. */
  set(key: string, value: T): T | undefined {
    this.#kept.delete(key);
    this.#kept.set(key, value);
    if (this.#kept.size <= this.#most) return undefined;
    const [oldest] = this.#kept;
    if (oldest === undefined) return undefined;
    this.#kept.delete(oldest[0]);
    return oldest[1];
  }

  delete(key: string): boolean {
    return this.#kept.delete(key);
  }

  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this.#kept.entries();
  }
}
