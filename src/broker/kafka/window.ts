/** Which events of one partition were taken, and which of them are dealt with. */
export class Window {
  /** Those that are not dealt with, oldest first. */
  readonly #open = new Set<bigint>();
  #next: bigint;
  #committed: bigint;

  /** @param first the offset that is taken first */
  constructor(first: bigint) {
    this.#next = first;
    this.#committed = first;
  }

  /** Takes an event. Returns `false` for one that was taken before: after each change in the group the server begins anew. */
  take(offset: bigint): boolean {
    if (offset < this.#next) return false;
    this.#next = offset + 1n;
    this.#open.add(offset);
    return true;
  }

  done(offset: bigint): void {
    this.#open.delete(offset);
  }

  /** How far everything is dealt with; what was not told to the server yet, or `undefined`. */
  get untold(): bigint | undefined {
    const [oldest = this.#next] = this.#open;
    return oldest > this.#committed ? oldest : undefined;
  }

  /** The server knows of this. */
  told(offset: bigint): void {
    if (offset > this.#committed) this.#committed = offset;
  }

  /** How many offsets lie between the oldest that is not dealt with and the newest. */
  get span(): number {
    const [oldest = this.#next] = this.#open;
    return Number(this.#next - oldest);
  }
}
