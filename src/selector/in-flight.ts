import type { Node } from '../registry/registry.js';
import type { Load } from './selector.js';

/** Counts attempts, from when somebody first asks for them. */
export class InFlight implements Load {
  #counts: Map<string, Map<string, number>> | undefined;

  inFlight(service: string, node: Node): number {
    this.#counts ??= new Map();
    return this.#counts.get(service)?.get(node.id) ?? 0;
  }

  began(service: string, { id }: Node): void {
    if (this.#counts === undefined) return;
    const known = this.#counts.get(service) ?? new Map<string, number>();
    known.set(id, (known.get(id) ?? 0) + 1);
    this.#counts.set(service, known);
  }

  /** What began before anybody asked may end, too. */
  ended(service: string, { id }: Node): void {
    const known = this.#counts?.get(service);
    const count = known?.get(id) ?? 0;
    if (count > 1) known?.set(id, count - 1);
    else if (known?.delete(id) === true && known.size === 0) this.#counts?.delete(service);
  }

  clear(): void {
    this.#counts?.clear();
  }
}
