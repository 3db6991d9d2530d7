import type { Node } from '../../registry/registry.js';

/** How many services, and nodes of one, are remembered. */
const MOST = 20_000;
/** An attempt that nobody marked in so many milliseconds is forgotten. */
const LONGEST_MS = 600_000;
/** What a node costs that has calls under way and has never answered one: more than any that has. */
const UNKNOWN = 1e9;
/** Added to each time, in milliseconds: among nodes that answer at once the load decides. */
const FLOOR_MS = 1;

/** What is known of one node. */
interface NodeLoad {
  /** When the attempts under way began, those of `head` and after. Which ended is not known, and does not matter to their mean. */
  began: number[];
  head: number;
  /** In milliseconds; negative where none has ended. */
  latency: number;
  measuredAt: number;
}

/** How long nodes took lately, and how much is under way there. */
export class Loads {
  readonly #decayMs: number;
  readonly #services = new Map<string, Map<string, NodeLoad>>();

  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  /** The less, the better. */
  cost(service: string, { id }: Node, now: number): number {
    const load = this.#services.get(service)?.get(id);
    if (load === undefined) return 0;
    const inFlight = load.began.length - load.head;
    if (load.latency < 0) return inFlight * UNKNOWN;
    return (load.latency * this.#weight(load, now) + FLOOR_MS) * (inFlight + 1);
  }

  began(service: string, { id }: Node, now: number): void {
    let nodes = this.#services.get(service);
    if (nodes === undefined) {
      if (this.#services.size >= MOST) this.#services.clear();
      nodes = new Map();
      this.#services.set(service, nodes);
    }
    let load = nodes.get(id);
    if (load === undefined) {
      if (nodes.size >= MOST) nodes.clear();
      load = { began: [], head: 0, latency: -1, measuredAt: now };
      nodes.set(id, load);
    }
    load.began.push(now);
    while (now - (load.began[load.head] ?? now) > LONGEST_MS) load.head++;
    if (load.head > 32 && 2 * load.head > load.began.length) {
      load.began = load.began.slice(load.head);
      load.head = 0;
    }
  }

  /** @param atLeastMs what it counts as, where it took less */
  ended(service: string, { id }: Node, now: number, atLeastMs: number): void {
    const load = this.#services.get(service)?.get(id);
    const began = load?.began[load.head];
    if (load === undefined || began === undefined) return;
    load.head++;
    if (load.head === load.began.length) {
      load.began.length = 0;
      load.head = 0;
    }
    const ms = Math.max(now - began, atLeastMs);
    const weight = this.#weight(load, now);
    // The worst is believed at once, and better news little by little.
    load.latency = ms > load.latency ? ms : load.latency * weight + ms * (1 - weight);
    load.measuredAt = now;
  }

  forget(service: string): void {
    this.#services.delete(service);
  }

  clear(): void {
    this.#services.clear();
  }

  /** What the time that was measured still counts. */
  #weight({ measuredAt }: NodeLoad, now: number): number {
    return this.#decayMs === 0 ? 0 : Math.exp((measuredAt - now) / this.#decayMs);
  }
}
