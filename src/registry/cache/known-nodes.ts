import { isDeepStrictEqual } from 'node:util';
import type { Facts } from '../node-record.js';
import { frozen } from '../record.js';
import type { Node, RegistryEvent, ServiceRecord } from '../registry.js';

interface Placed {
  readonly version: string;
  readonly node: Node;
}

/** The last change of a node that came while a question was under way. */
interface Change {
  readonly action: RegistryEvent['action'];
  readonly facts: Facts;
  readonly node: Node;
}

/** How many nodes changes alone can make known; a whole answer has as many as the registry says. */
const MOST_NODES = 10_000;

/**
 * The nodes of one service: those of the last whole answer, and what changed since.
 *
 * A change that comes while a question is under way is newer than what the registry answers, so it is made again on top of the answer.
 */
export class KnownNodes {
  #facts = new Map<string, Facts>();
  #nodes = new Map<string, Placed>();
  #meanwhile: Map<string, Change> | undefined;
  #records: readonly ServiceRecord[] | undefined;

  get size(): number {
    return this.#nodes.size;
  }

  /** Frozen, and the same array as long as nothing changed, in whatever order it was told. */
  get records(): readonly ServiceRecord[] {
    this.#records ??= this.#assemble();
    return this.#records;
  }

  /** A question leaves. */
  asked(): void {
    this.#meanwhile = new Map();
  }

  /** The question was not answered: what was known stays. */
  unanswered(): void {
    this.#meanwhile = undefined;
  }

  /** The whole answer to the question: what it does not name is gone. */
  answered(records: readonly ServiceRecord[]): void {
    const named = new Set<string>();
    const versions = new Set<string>();
    for (const { nodes, ...facts } of records) {
      if (nodes.length === 0) continue;
      versions.add(facts.version);
      this.#learn(facts);
      for (const node of nodes) {
        named.add(node.id);
        this.#place(facts.version, node);
      }
    }
    for (const id of this.#nodes.keys()) if (!named.has(id)) this.#remove(id);
    const meanwhile = this.#meanwhile;
    this.#meanwhile = undefined;
    for (const change of meanwhile?.values() ?? []) this.#make(change);
  }

  /** Makes a change, and keeps it in mind for the question that is under way. With `later`, it does only the latter. */
  change({ action, service: { nodes, ...facts } }: RegistryEvent, { later = false } = {}): void {
    for (const node of nodes) {
      const change: Change = { action, facts, node };
      if (this.#meanwhile !== undefined && (this.#meanwhile.size < MOST_NODES || this.#nodes.has(node.id)))
        this.#meanwhile.set(node.id, change);
      if (!later) this.#make(change);
    }
  }

  clear(): void {
    this.#facts.clear();
    this.#nodes.clear();
    this.#records = undefined;
  }

  #make({ action, facts, node }: Change): void {
    if (action === 'delete') return this.#remove(node.id);
    if (this.#nodes.size >= MOST_NODES && !this.#nodes.has(node.id)) return;
    this.#learn(facts);
    this.#place(facts.version, node);
  }

  #learn(facts: Facts): void {
    if (isDeepStrictEqual(this.#facts.get(facts.version), facts)) return;
    this.#facts.set(facts.version, frozen(facts));
    this.#records = undefined;
  }

  #place(version: string, node: Node): void {
    const known = this.#nodes.get(node.id);
    if (known?.version === version && isDeepStrictEqual(known.node, node)) return;
    this.#nodes.set(node.id, { version, node: frozen(node) });
    this.#records = undefined;
  }

  #remove(id: string): void {
    if (this.#nodes.delete(id)) this.#records = undefined;
  }

  #assemble(): readonly ServiceRecord[] {
    const versions = new Map<string, Node[]>();
    for (const { version, node } of this.#nodes.values()) {
      const nodes = versions.get(version);
      if (nodes === undefined) versions.set(version, [node]);
      else nodes.push(node);
    }
    for (const version of this.#facts.keys()) if (!versions.has(version)) this.#facts.delete(version);
    return Object.freeze(
      [...this.#facts].map(([version, facts]) =>
        Object.freeze({ ...facts, nodes: Object.freeze(versions.get(version) ?? []) }),
      ),
    );
  }
}
