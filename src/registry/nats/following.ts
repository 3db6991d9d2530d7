import type { NodeView } from '../node-view.js';
import { keyOf, recordOf, type Change, type Registered } from './packets.js';

/** For how long a node is known that says nothing of it, in milliseconds. go-micro renews each 30 s. */
const UNSAID_TTL_MS = 90_000;
/** How often a node is asked for that is silent, before it is taken for dead. */
const MOST_ASKED = 6;
/** How many nodes are followed, and how many bytes of what was heard of them. */
const MOST_NODES = 100_000;
const MOST_BYTES = 128 * 1024 * 1024;

interface Followed {
  readonly registered: Registered;
  readonly bytes: number;
  /** When it has been silent for too long. */
  due: number;
  asked: number;
}

/**
 * What is known of those that a watch is about. Nobody keeps a list: nodes say that they are there, again and again, and each that falls
 * silent is asked for some times, then taken for dead.
 */
export class Following {
  readonly service: string | undefined;
  readonly #view: NodeView;
  readonly #nodes = new Map<string, Followed>();
  #bytes = 0;

  constructor(service: string | undefined, view: NodeView) {
    this.service = service;
    this.#view = view;
  }

  /** Takes what was said, or answered, in the order that it came in. */
  hear({ action, nodes, bytes }: Change, now: number): void {
    for (const each of nodes) {
      if (this.service !== undefined && each.service.name !== this.service) continue;
      if (action === 'put') this.#put(each, bytes / nodes.length, now);
      else this.#remove(each);
    }
  }

  /** What was heard up to now is where it begins. */
  begin(): void {
    const entries = [...this.#nodes].map(([key, { registered }]) => [key, recordOf(registered)] as const);
    this.#view.replace(new Map(entries));
  }

  /** What was said lately may have got lost: whoever is there is asked. */
  suspect(now: number): void {
    for (const node of this.#nodes.values()) Object.assign(node, { due: now, asked: 0 });
  }

  /** The services of nodes that must be asked for now. Those that were asked for often enough are gone. */
  silent(now: number): ReadonlySet<string> {
    const names = new Set<string>();
    for (const [key, node] of this.#nodes) {
      if (node.due > now) continue;
      if (node.asked++ < MOST_ASKED) names.add(node.registered.service.name);
      else this.#lose(key);
    }
    return names;
  }

  #put(registered: Registered, bytes: number, now: number): void {
    const key = keyOf(registered);
    const known = this.#nodes.get(key);
    const more = bytes - (known?.bytes ?? 0);
    if (more > 0 && (this.#nodes.size >= MOST_NODES || this.#bytes + more > MOST_BYTES)) return;
    this.#bytes += more;
    this.#nodes.set(key, { registered, bytes, due: now + (registered.ttlMs ?? UNSAID_TTL_MS), asked: 0 });
    if (this.#view.listed) this.#view.put(key, recordOf(registered));
  }

  /** A node that went from one version to another is still there. */
  #remove(gone: Registered): void {
    const key = keyOf(gone);
    if (this.#nodes.get(key)?.registered.service.version === gone.service.version) this.#lose(key);
  }

  #lose(key: string): void {
    this.#bytes -= this.#nodes.get(key)?.bytes ?? 0;
    this.#nodes.delete(key);
    if (this.#view.listed) this.#view.remove(key);
  }
}
