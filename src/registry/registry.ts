import type { Lifecycle, MaybePromise } from '../core/lifecycle.js';

/** The shape of a request or reply, as go-micro's registry shows it. Informative: nothing on the wire depends on it. */
export interface Value {
  readonly name: string;
  readonly type: string;
  readonly values: readonly Value[];
}

/** Something that a service can be asked for. */
export interface EndpointRecord {
  /** `Greeter.Hello`; a subscriber's is its handler's name. */
  readonly name: string;
  readonly request?: Value;
  readonly response?: Value;
  /** `stream: 'true'` for streams; `subscriber: 'true'` and `topic` for subscribers. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** One running server. */
export interface Node {
  /** Unique among the nodes of its service, whatever their versions. */
  readonly id: string;
  /** `host:port`, or the queue's name on a bus. */
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One version of a service, and the nodes that run it. */
export interface ServiceRecord {
  readonly name: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly EndpointRecord[];
  readonly nodes: readonly Node[];
}

/** A change: `service` holds the nodes that came, changed or went, and no others. */
export interface RegistryEvent {
  readonly action: 'create' | 'update' | 'delete';
  readonly service: ServiceRecord;
}

export interface RegisterOptions {
  /** For how long the nodes are known without being renewed, in milliseconds; for ever without it. */
  readonly ttlMs?: number;
}

export interface WatchOptions {
  /** Only this service. @defaultValue all */
  readonly service?: string;
  /** Ends the watch without an error. */
  readonly signal?: AbortSignal;
}

/** What every registry's options have in common. */
export interface RegistryOptions {
  /** Where the backend is. */
  readonly addresses?: readonly string[];
  /** For how long one question to the backend may take, in milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * Knows which nodes serve which service.
 *
 * What it gives is frozen or a copy: nobody can change what another reads. `MemoryRegistry` is the shortest full implementation;
 * `octavo/conformance/registry` says whether yours is one too.
 */
export abstract class Registry implements Lifecycle {
  /** What logs and errors call this implementation, and the `registry` in a node's metadata. */
  abstract readonly name: string;
  abstract readonly options: RegistryOptions;
  /** Whether a loopback address that is registered stays on this machine: others would dial their own loopback. */
  abstract readonly local: boolean;

  /**
   * Adds the nodes of a service, or renews them. Nodes already there under other ids stay; one that was there in another version moves.
   * Rejects with `invalid_argument`, having added none, for an empty name, version or id.
   */
  abstract register(service: ServiceRecord, options?: RegisterOptions): Promise<void>;

  /** Takes away these nodes and no others. Unknown nodes are ignored. */
  abstract deregister(service: ServiceRecord): Promise<void>;

  /** Every version of a service that has nodes, each once. An unknown name gives an empty list. */
  abstract getService(name: string): MaybePromise<readonly ServiceRecord[]>;

  /** The names of all services that have nodes, sorted. */
  abstract listServices(): Promise<readonly string[]>;

  /**
   * Reports every change made after this call returns. Breaking out of the loop ends the watch.
   *
   * A node that changed is one `update`; one that was only renewed is nothing. Expiry is a `delete`. A reader that is far behind gets
   * `resource_exhausted` rather than a gap.
   */
  abstract watch(options?: WatchOptions): AsyncIterable<RegistryEvent>;

  abstract start(): MaybePromise<void>;

  /** Ends every watch. What was registered stays until it expires or is deregistered, where others can see it. */
  abstract stop(): MaybePromise<void>;
}
