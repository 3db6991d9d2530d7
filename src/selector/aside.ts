import type { Node } from '../registry/registry.js';

/** How many nodes are remembered. */
const MOST = 10_000;

/** Nodes of one service that are left out until a time. What is left of a list is remembered, as the same list comes again and again. */
export class Aside {
  readonly #until = new Map<string, number>();
  #memo:
    { readonly all: readonly Node[]; readonly left: readonly Node[]; readonly until: number } | undefined;

  get size(): number {
    return this.#until.size;
  }

  put(id: string, until: number): void {
    if (this.#until.size >= MOST) this.#until.clear();
    this.#until.set(id, until);
    this.#memo = undefined;
  }

  take(id: string): void {
    if (this.#until.delete(id)) this.#memo = undefined;
  }

  /** Those of a list that are not left out now: the list itself where that is nobody. */
  without(all: readonly Node[], now: number): readonly Node[] {
    const memo = this.#memo;
    if (memo?.all === all && now < memo.until) return memo.left;
    let next = Infinity;
    for (const [id, until] of this.#until)
      if (until <= now) this.#until.delete(id);
      else next = Math.min(next, until);
    const some = all.some(({ id }) => this.#until.has(id));
    const left = some ? all.filter(({ id }) => !this.#until.has(id)) : all;
    this.#memo = { all, left, until: next };
    return left;
  }
}
