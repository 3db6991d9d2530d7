import type { Clock, Timer } from '../../core/clock.js';
import type { ServiceRecord } from '../registry.js';
import { keyOf, type Registered } from './packets.js';

interface Own extends Registered {
  readonly timer: Timer | undefined;
}

/** The nodes that were registered here: nobody else knows of them but by asking. */
export class OwnNodes {
  readonly #clock: Clock;
  readonly #onExpiry: (node: Registered) => void;
  /** By service and node. */
  readonly #own = new Map<string, Own>();

  /** @param onExpiry called when a node's time is up, and it is gone */
  constructor(clock: Clock, onExpiry: (node: Registered) => void) {
    this.#clock = clock;
    this.#onExpiry = onExpiry;
  }

  get size(): number {
    return this.#own.size;
  }

  /** Those of a service, or all of them. */
  *of(name: string | undefined): Iterable<Registered> {
    for (const own of this.#own.values()) if (name === undefined || own.service.name === name) yield own;
  }

  /** Puts a node there, or renews it. Returns what was there in its place in another version. */
  put(node: Registered): Registered | undefined {
    const key = keyOf(node);
    const before = this.#own.get(key);
    before?.timer?.cancel();
    const { ttlMs } = node;
    const timer =
      ttlMs === undefined
        ? undefined
        : this.#clock.after(ttlMs, () => this.#expire(key), { background: true });
    this.#own.set(key, { ...node, timer });
    return before !== undefined && before.service.version !== node.service.version ? before : undefined;
  }

  /** Takes nodes of a service away, and returns those that were there. */
  remove({ name, nodes }: ServiceRecord): readonly Registered[] {
    return nodes.flatMap(({ id }) => this.#take(JSON.stringify([name, id])) ?? []);
  }

  /** Takes all away, and returns them. */
  clear(): readonly Registered[] {
    return [...this.#own.keys()].flatMap((key) => this.#take(key) ?? []);
  }

  #expire(key: string): void {
    const own = this.#take(key);
    if (own !== undefined) this.#onExpiry(own);
  }

  #take(key: string): Own | undefined {
    const own = this.#own.get(key);
    own?.timer?.cancel();
    this.#own.delete(key);
    return own;
  }
}
