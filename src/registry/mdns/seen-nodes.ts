import type { Clock } from '../../core/clock.js';
import { freeze } from '../record.js';
import type { Node, RegistryEvent, ServiceRecord } from '../registry.js';
import type { Heard } from './packets.js';

/** How many nodes are remembered: those that are there, and those that said goodbye. */
const MOST = 10_000;
/** For how long an answer may be late, in milliseconds. */
const LATE_MS = 1_000;

/** What is remembered of a node: enough to know it again and to tell of its end, however much it says of itself. */
interface Seen {
  readonly name: string;
  readonly version: string;
  readonly id: string;
  readonly address: string;
  readonly digest: string;
  at: number;
}

/** The nodes that were seen last, to tell what is new about what is heard. */
export class SeenNodes {
  readonly #clock: Clock;
  readonly #tell: (event: RegistryEvent) => void;
  readonly #seen = new Map<string, Seen>();
  /** When a node said goodbye. */
  readonly #gone = new Map<string, number>();

  constructor(clock: Clock, tell: (event: RegistryEvent) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /**
   * Takes in what a node says of itself, and tells what changed.
   *
   * Returns whether to believe it: an answer may have been under way when the node said goodbye. Only an announcement says that it is back.
   */
  hear({ service, node, goodbye, digest }: Heard, answer: boolean): boolean {
    const key = keyOf(service.name, node.id);
    const now = this.#clock.now();
    if (!goodbye && answer && now - (this.#gone.get(key) ?? -Infinity) < LATE_MS) return false;
    const seen = this.#seen.get(key);
    if (goodbye) {
      remember(this.#gone, key, now);
      if (seen !== undefined) this.#lose(key, service, node);
      return true;
    }
    this.#gone.delete(key);
    const { name, version } = service;
    remember(this.#seen, key, { name, version, id: node.id, address: node.address, digest, at: now });
    if (seen?.digest === digest) return true;
    const action = seen === undefined ? 'create' : 'update';
    this.#tell(freeze({ action, service: { ...service, nodes: [node] } }));
    return true;
  }

  /** Those of a service that were not heard since then are gone, but for some: they were asked, and did not answer. */
  missed(service: string, since: number, but: (id: string) => boolean): void {
    for (const [key, { name, version, id, address, at }] of this.#seen)
      if (name === service && at < since && !but(id))
        this.#lose(
          key,
          { name, version, metadata: {}, endpoints: [], nodes: [] },
          { id, address, metadata: {} },
        );
  }

  clear(): void {
    this.#seen.clear();
    this.#gone.clear();
  }

  #lose(key: string, service: ServiceRecord, node: Node): void {
    this.#seen.delete(key);
    this.#tell(freeze({ action: 'delete', service: { ...service, nodes: [node] } }));
  }
}

function keyOf(service: string, id: string): string {
  return JSON.stringify([service, id]);
}

/** The one that was remembered longest ago goes first. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MOST && oldest !== undefined) map.delete(oldest);
}
