import type { NodeView } from '../node-view.js';
import type { KubernetesApi, Resource } from './api.js';
import { Merged, type Source } from './merged.js';
import { canBeLabelled, metadataOf, nodesOfPod, podsWith } from './pods.js';
import { canBeService, nodesOfSlice, slicesOf } from './slices.js';

export interface ClusterOptions {
  readonly namespace: string;
  /** Whether Services that no pod has registered are found too. */
  readonly services: boolean;
  readonly servicePort: string | undefined;
}

/** What is listed, and from which version on it is watched. */
interface Kind {
  readonly source: Source;
  readonly resource: Resource;
}

interface Found {
  readonly merged: Merged;
  readonly from: readonly (Kind & { readonly version: string })[];
}

/** The pods, and the Services, of one namespace. */
export class Cluster {
  readonly #api: KubernetesApi;
  readonly #options: ClusterOptions;
  /** Where objects are: `namespaces/shop`. */
  readonly #place: string;

  constructor(api: KubernetesApi, options: ClusterOptions) {
    this.#api = api;
    this.#options = options;
    this.#place = `namespaces/${encodeURIComponent(options.namespace)}`;
  }

  /** Rejects as {@link list} would, for less. */
  async check(): Promise<void> {
    for (const { resource } of this.#kinds(undefined)) await this.#api.list(resource, 1);
  }

  stop(): void {
    this.#api.stop();
  }

  async patchPod(pod: string, patch: unknown): Promise<void> {
    await this.#api.patch(`${this.#pods}/${encodeURIComponent(pod)}`, patch);
  }

  /** The nodes of a service, or of all. */
  async list(service: string | undefined): Promise<Merged> {
    return (await this.#find(service)).merged;
  }

  /** Lists, and tells the view what changes from there. Rejects when a watch is broken off. */
  async follow(service: string | undefined, view: NodeView, signal: AbortSignal): Promise<void> {
    const { merged, from } = await this.#find(service);
    if (signal.aborted) return;
    merged.follow(view);
    const broken = new AbortController();
    const both = AbortSignal.any([signal, broken.signal]);
    try {
      await Promise.all(
        from.map(async ({ source, resource, version }) => {
          for await (const { type, object } of this.#api.watch(resource, version, both)) {
            if (type === 'DELETED') merged.set(source, nameOf(object), []);
            else this.#take(merged, source, object, service);
          }
        }),
      );
      // A name that nothing can have changes never.
      if (from.length === 0 && !signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    } finally {
      broken.abort();
    }
  }

  get #pods(): string {
    return `/api/v1/${this.#place}/pods`;
  }

  #kinds(service: string | undefined): Kind[] {
    const slices = `/apis/discovery.k8s.io/v1/${this.#place}/endpointslices`;
    const kinds: Kind[] = [];
    if (service === undefined || canBeLabelled(service))
      kinds.push({ source: 'pod', resource: { path: this.#pods, selector: podsWith(service) } });
    if (this.#options.services && (service === undefined || canBeService(service)))
      kinds.push({ source: 'slice', resource: { path: slices, selector: slicesOf(service) } });
    return kinds;
  }

  async #find(service: string | undefined): Promise<Found> {
    const merged = new Merged();
    const from = await Promise.all(
      this.#kinds(service).map(async ({ source, resource }) => {
        const { items, version } = await this.#api.list(resource);
        for (const object of items) this.#take(merged, source, object, service);
        return { source, resource, version };
      }),
    );
    return { merged, from };
  }

  #take(merged: Merged, source: Source, object: unknown, service: string | undefined): void {
    const { servicePort } = this.#options;
    const nodes = source === 'pod' ? nodesOfPod(object, service) : nodesOfSlice(object, servicePort);
    merged.set(source, nameOf(object), nodes);
  }
}

function nameOf(object: unknown): string {
  const { name } = metadataOf(object);
  return typeof name === 'string' ? name : '';
}
