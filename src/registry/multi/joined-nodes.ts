import { nodesOf, type NodeRecord } from '../node-record.js';
import type { NodeView } from '../node-view.js';
import type { RegistryEvent } from '../registry.js';

/** The nodes of several registries, each once: the first that knows a node has the word. */
export class JoinedNodes {
  /** What each registry says of a node, at its place. */
  readonly #said = new Map<string, (NodeRecord | undefined)[]>();
  #view: NodeView | undefined;

  get nodes(): ReadonlyMap<string, NodeRecord> {
    const nodes = new Map<string, NodeRecord>();
    for (const [key, said] of this.#said) {
      const record = said.find((each) => each !== undefined);
      if (record !== undefined) nodes.set(key, record);
    }
    return nodes;
  }

  /** From now on, changes go there. */
  follow(view: NodeView): void {
    view.replace(this.nodes);
    this.#view = view;
  }

  /** Everything that one registry has. */
  replace(member: number, nodes: readonly NodeRecord[]): void {
    const there = new Map(nodes.map((record) => [keyOf(record), record]));
    for (const [key, said] of [...this.#said])
      if (said[member] !== undefined && !there.has(key)) this.#set(member, key, undefined);
    for (const [key, record] of there) this.#set(member, key, record);
  }

  /** A change that one registry tells. */
  change(member: number, { action, service }: RegistryEvent): void {
    for (const record of nodesOf(service))
      this.#set(member, keyOf(record), action === 'delete' ? undefined : record);
  }

  #set(member: number, key: string, record: NodeRecord | undefined): void {
    const said = this.#said.get(key) ?? [];
    said[member] = record;
    const word = said.find((each) => each !== undefined);
    if (word === undefined) this.#said.delete(key);
    else this.#said.set(key, said);
    if (word === undefined) this.#view?.remove(key);
    else this.#view?.put(key, word);
  }
}

function keyOf({ service, node }: NodeRecord): string {
  return JSON.stringify([service.name, node.id]);
}
