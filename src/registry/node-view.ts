import type { Clock, Timer } from '../core/clock.js';
import { serviceOf, type NodeRecord } from './node-record.js';
import { freeze } from './record.js';
import type { RegistryEvent } from './registry.js';

/** How many nodes a view holds, and how many characters they may be; those above it are not seen. */
const MOST_NODES = 100_000;
const MOST_CHARACTERS = 64 * 1024 * 1024;
/** For how long what the backend says is not believed against a change that was made from here, in milliseconds: it may have left before. */
const OWN_MS = 1_000;

interface Known {
  readonly record: NodeRecord;
  readonly text: string;
}

/** A change that was made from here, which the backend has not shown yet. */
interface Own {
  /** `undefined` for a node that was taken away. */
  readonly text: string | undefined;
  readonly timer: Timer;
  /** What the backend says instead. */
  said?: { readonly record: NodeRecord | undefined };
}

export interface NodeViewParts {
  readonly clock: Clock;
  readonly tell: (event: RegistryEvent) => void;
  /** Called for each whole list. */
  readonly onListed: () => void;
}

/**
 * The nodes that a backend has, as far as it was followed, each under a key of its own. Tells what is new about what it hears.
 *
 * The first list is where it begins, and tells nothing.
 */
export class NodeView {
  readonly #clock: Clock;
  readonly #tell: (event: RegistryEvent) => void;
  readonly #onListed: () => void;
  readonly #known = new Map<string, Known>();
  readonly #own = new Map<string, Own>();
  #listed = false;
  #closed = false;
  #characters = 0;

  constructor({ clock, tell, onListed }: NodeViewParts) {
    this.#clock = clock;
    this.#tell = tell;
    this.#onListed = onListed;
  }

  /** Whether there was a list. */
  get listed(): boolean {
    return this.#listed;
  }

  get size(): number {
    return this.#known.size;
  }

  /** The node under a key. */
  get(key: string): NodeRecord | undefined {
    return this.#known.get(key)?.record;
  }

  keys(): Iterable<string> {
    return this.#known.keys();
  }

  /** Everything that is there: what it does not name is gone. */
  replace(nodes: ReadonlyMap<string, NodeRecord>): void {
    for (const key of [...this.#known.keys()]) if (!nodes.has(key)) this.remove(key);
    for (const [key, record] of nodes) this.put(key, record);
    this.#listed = true;
    this.#onListed();
  }

  /** A node came, changed, or is still there. */
  put(key: string, record: NodeRecord): void {
    const text = textOf(record);
    if (!this.#doubts(key, text, record)) this.#place(key, record, text);
  }

  /** A node went. */
  remove(key: string): void {
    if (!this.#doubts(key, undefined, undefined)) this.#lose(key);
  }

  /**
   * A change that was made from here, `undefined` for a node that was taken away.
   *
   * For backends that give lists and not each change: it is told at once, and a list that left before does not undo it.
   */
  own(key: string, record: NodeRecord | undefined): void {
    const text = record && textOf(record);
    this.#own.get(key)?.timer.cancel();
    this.#own.delete(key);
    if (this.#known.get(key)?.text === text) return;
    const timer = this.#clock.after(OWN_MS, () => this.#settle(key), { background: true });
    this.#own.set(key, { text, timer });
    if (record === undefined || text === undefined) this.#lose(key);
    else this.#place(key, record, text);
  }

  /** Ends it: nothing is told from now on. */
  close(): void {
    this.#listed = false;
    this.#closed = true;
    for (const { timer } of this.#own.values()) timer.cancel();
    this.#own.clear();
    this.#known.clear();
    this.#characters = 0;
  }

  /** Whether something else than this was done from here a moment ago. */
  #doubts(key: string, text: string | undefined, record: NodeRecord | undefined): boolean {
    const own = this.#own.get(key);
    if (own === undefined) return false;
    if (own.text !== text) {
      own.said = { record };
      return true;
    }
    own.timer.cancel();
    this.#own.delete(key);
    return false;
  }

  /** Time enough has gone by: what the backend said last is so. */
  #settle(key: string): void {
    const said = this.#own.get(key)?.said;
    this.#own.delete(key);
    if (said === undefined) return;
    if (said.record === undefined) this.remove(key);
    else this.put(key, said.record);
  }

  #place(key: string, record: NodeRecord, text: string): void {
    const known = this.#known.get(key);
    if (known?.text === text || this.#closed) return;
    const more = text.length - (known?.text.length ?? 0);
    // What there is no room for is as if it were not there.
    if (this.#characters + more > MOST_CHARACTERS || (known === undefined && this.#known.size >= MOST_NODES))
      return this.#lose(key);
    this.#characters += more;
    this.#known.set(key, { record: freeze(record), text });
    if (this.#listed) this.#say(known === undefined ? 'create' : 'update', record);
  }

  #lose(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#characters -= known.text.length;
    this.#known.delete(key);
    if (this.#listed) this.#say('delete', known.record);
  }

  #say(action: RegistryEvent['action'], record: NodeRecord): void {
    this.#tell(freeze({ action, service: serviceOf(record) }));
  }
}

/** The same for the same node: the order of metadata, which Go does not keep, does not count. */
function textOf(record: NodeRecord): string {
  return JSON.stringify(record, inOrder);
}

function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
