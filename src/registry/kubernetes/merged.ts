import type { NodeRecord } from '../node-record.js';
import type { NodeView } from '../node-view.js';

/** Where nodes were found: what pods say of themselves counts before what Kubernetes says of a Service. */
export type Source = 'pod' | 'slice';

/** The nodes of one service that were found, by object and node. */
interface Service {
  readonly pod: Map<string, NodeRecord>;
  readonly slice: Map<string, NodeRecord>;
}

/** How many objects are looked at; those above it are not seen. */
const MOST_OBJECTS = 200_000;

/** What all objects together say: of a service that pods have registered, its Service's endpoints do not count. */
export class Merged {
  readonly #services = new Map<string, Service>();
  /** The nodes of each object, by service. */
  readonly #objects = new Map<string, readonly NodeRecord[]>();
  #view: NodeView | undefined;

  /** Everything that counts. */
  get all(): ReadonlyMap<string, NodeRecord> {
    return new Map([...this.#services.values()].flatMap((service) => [...counted(service)]));
  }

  /** From now on, changes go there. */
  follow(view: NodeView): void {
    view.replace(this.all);
    this.#view = view;
  }

  /** These are the nodes of an object; none of one that is gone. */
  set(source: Source, object: string, nodes: readonly NodeRecord[]): void {
    const key = `${source} ${object}`;
    if (this.#objects.size >= MOST_OBJECTS && !this.#objects.has(key)) return;
    const before = this.#objects.get(key) ?? [];
    const names = new Set([...before, ...nodes].map(({ service }) => service.name));
    const counts = new Map([...names].map((name) => [name, this.#counts(name)]));
    for (const record of before) this.#service(record)[source].delete(keyOf(key, record));
    for (const record of nodes) this.#service(record)[source].set(keyOf(key, record), record);
    if (nodes.length === 0) this.#objects.delete(key);
    else this.#objects.set(key, nodes);
    for (const [name, was] of counts) this.#tell(name, was);
  }

  #service({ service: { name } }: NodeRecord): Service {
    let service = this.#services.get(name);
    if (service === undefined) {
      service = { pod: new Map(), slice: new Map() };
      this.#services.set(name, service);
    }
    return service;
  }

  /** What counts of a service, as it is now; nothing while nobody is told. */
  #counts(name: string): ReadonlyMap<string, NodeRecord> {
    const service = this.#view && this.#services.get(name);
    return service === undefined ? new Map() : counted(service);
  }

  #tell(name: string, was: ReadonlyMap<string, NodeRecord>): void {
    const service = this.#services.get(name);
    if (service?.pod.size === 0 && service.slice.size === 0) this.#services.delete(name);
    const view = this.#view;
    if (view === undefined) return;
    const is = this.#counts(name);
    for (const key of was.keys()) if (!is.has(key)) view.remove(key);
    for (const [key, record] of is) if (was.get(key) !== record) view.put(key, record);
  }
}

/** Each node once, by its id: one that has addresses of two families is in two slices. */
function counted({ pod, slice }: Service): Map<string, NodeRecord> {
  const nodes = new Map<string, NodeRecord>();
  for (const record of (pod.size > 0 ? pod : slice).values()) {
    const key = keyOf('', record);
    if (!nodes.has(key)) nodes.set(key, record);
  }
  return nodes;
}

function keyOf(object: string, { service, node }: NodeRecord): string {
  return JSON.stringify([object, service.name, node.id]);
}
