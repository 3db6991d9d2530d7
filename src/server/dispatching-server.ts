import { randomUUID } from 'node:crypto';
import { Broker, type Subscriber } from '../broker/broker.js';
import { Codecs } from '../codec/codecs.js';
import { isLoopback, parseAddress } from '../core/address.js';
import { advertised } from '../core/advertise.js';
import { Clock } from '../core/clock.js';
import { defined } from '../core/defined.js';
import { OctavoError } from '../core/error.js';
import { Identity } from '../core/identity.js';
import { Logger } from '../core/logger.js';
import type { Resolve } from '../core/provider.js';
import { Registry, type Node, type ServiceRecord } from '../registry/registry.js';
import type { Listener, Probes } from '../transport/transport.js';
import type { Reading, SpanRecord, Wrapper } from '../wrapper/wrapper.js';
import { AdminListener } from './admin.js';
import { debugEndpoints } from './debug.js';
import { traceEndpoint } from './debug-trace.js';
import { Dispatcher } from './dispatcher.js';
import { endpointRecords } from './record.js';
import { Registration } from './registration.js';
import { Server, type Endpoint, type Insight, type ServerOptions, type Subscription } from './server.js';
import { Subscriptions } from './subscriptions.js';

/** What every dispatching server stands on. */
export interface DispatchingServerParts {
  readonly identity: Identity;
  readonly broker: Broker;
  readonly registry: Registry;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What every dispatching server finds in the container. */
export function dispatchingParts(resolve: Resolve): DispatchingServerParts {
  return {
    identity: resolve(Identity),
    broker: resolve(Broker),
    registry: resolve(Registry),
    codecs: resolve(Codecs),
    clock: resolve(Clock),
    logger: resolve(Logger),
  };
}

const DEFAULTS = {
  registerTtlMs: 90_000,
  registerIntervalMs: 30_000,
  requestTimeoutMs: 5_000,
  keepaliveMs: 30_000,
  streamIdleMs: 600_000,
  maxInFlight: 10_000,
  maxStreams: 10_000,
  drainMs: 10_000,
};

/** For how long a server goes on where callers do not understand a refusal, in milliseconds. */
const LINGER_MS = 1_000;

/** Where a server listens that is not told: nobody outside can reach it before somebody decides so. */
const LOOPBACK = '127.0.0.1:0';

/** The way in of one wire, while it is open. */
export interface Entrance extends Listener {
  /** How many connections there are, where that is not the transport's to know. */
  accepted?(): number;
  /** Asks callers to go elsewhere, as the drain begins: calls in flight go on. Left out where the wire has no word for it. */
  drain?(): void;
}

/** What a wire puts into its node's metadata, for clients to know whom they can speak to. */
export interface WireFacts {
  readonly server: string;
  readonly protocol: string;
  readonly transport: string;
}

/** A server of one wire: endpoints, subscriptions, node, start and drain are the same on each; how calls come in is the wire's. */
export abstract class DispatchingServer extends Server {
  readonly options: ServerOptions & typeof DEFAULTS;
  protected readonly dispatcher: Dispatcher;
  protected readonly subscriptions: Subscriptions;
  readonly #parts: DispatchingServerParts;
  readonly #registration: Registration;
  readonly #id: string;
  /** What remembers spans, for `Debug.Trace`. */
  readonly #traces = new Set<() => readonly SpanRecord[]>();
  #entrance: Entrance | undefined;
  #admin: AdminListener | undefined;
  #node: Node | undefined;
  #state: 'stopped' | 'starting' | 'ready' | 'lingering' | 'draining' = 'stopped';
  #stopping: Promise<void> | undefined;
  #insight: Insight | undefined;

  /** @throws `failed_precondition` for an interval over half the TTL: one lost renewal would take the node away */
  constructor(options: ServerOptions, parts: DispatchingServerParts) {
    super();
    this.options = { ...DEFAULTS, ...defined(options) };
    const { registerIntervalMs, registerTtlMs, wrappers = [], subscriberWrappers = [] } = this.options;
    if (registerIntervalMs > registerTtlMs / 2)
      throw new OctavoError(
        'failed_precondition',
        `registerIntervalMs ${registerIntervalMs} is over half of registerTtlMs ${registerTtlMs}: one lost renewal would take the node away`,
      );
    this.#parts = parts;
    this.#id = this.options.id ?? randomUUID();
    this.dispatcher = new Dispatcher({ ...parts, service: this.service, limits: this.options }, wrappers);
    const { debug = this.#debugEndpoints() } = this.options;
    for (const endpoint of debug === false ? [] : debug) this.dispatcher.add(endpoint);
    this.subscriptions = new Subscriptions(parts, subscriberWrappers);
    this.#showSpans([...wrappers, ...subscriberWrappers]);
    this.#registration = new Registration(parts, registerTtlMs, registerIntervalMs);
  }

  /** Lets calls in at an address, and gives them to the dispatcher. Rejects with `unavailable` naming an address in use. */
  protected abstract enter(address: string, probes: Probes): Promise<Entrance>;

  protected abstract readonly facts: WireFacts;

  /** Called as calls may be sent here, and as they may not any more. */
  protected turned(_ready: boolean): void {}

  /** Whether there were callers that do not understand what a refusal says of the call, and so do not go elsewhere. */
  protected get foreign(): boolean {
    return false;
  }

  get node(): Node | undefined {
    return this.#node;
  }

  /** Where the admin listener is; `undefined` without one. */
  get adminAddress(): string | undefined {
    return this.#admin?.address;
  }

  /** What it did since it was made. */
  get stats(): Dispatcher['stats'] {
    return this.dispatcher.stats;
  }

  handle(endpoints: readonly Endpoint[]): void {
    if (this.#state !== 'stopped')
      throw new OctavoError(
        'failed_precondition',
        `the ${this.name} server of ${this.service} runs: add endpoints before its start`,
      );
    for (const endpoint of endpoints) {
      this.dispatcher.add(endpoint);
      this.#showSpans(endpoint.wrappers);
    }
  }

  override expose(insight: Insight): void {
    this.#insight = insight;
  }

  override connections(): number | undefined {
    return this.#entrance?.accepted?.();
  }

  async subscribe(subscriptions: readonly Subscription[]): Promise<readonly Subscriber[]> {
    return this.subscriptions.add(subscriptions);
  }

  async start(): Promise<void> {
    if (this.#state !== 'stopped') return;
    this.#state = 'starting';
    try {
      await this.#open();
      this.#state = 'ready';
      this.turned(true);
    } catch (reason) {
      await this.#close();
      this.#state = 'stopped';
      throw reason;
    }
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#stopping ??= this.#drain().finally(() => {
      this.#state = 'stopped';
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async register(): Promise<void> {
    if (this.#node !== undefined) await this.#registration.register(this.#record(this.#node));
  }

  async deregister(): Promise<void> {
    await this.#registration.deregister();
  }

  /** The name in the registry. */
  protected get service(): string {
    return this.options.name ?? this.#parts.identity.name;
  }

  async #open(): Promise<void> {
    const { registry, logger } = this.#parts;
    const probes = {
      healthy: () => this.#state !== 'stopped',
      ready: () => this.#state === 'ready',
      metrics: () => this.#insight?.page(),
    };
    const { admin, address: bind = LOOPBACK } = this.options;
    if (admin !== undefined) {
      const { address } = (this.#admin = await AdminListener.open(admin, probes));
      if (!isLoopback(parseAddress(address).host))
        logger.warn('the admin listener shows health and metrics to whoever reaches it, without TLS', {
          address,
        });
    }
    this.dispatcher.open();
    this.#entrance = await this.enter(bind, probes);
    const address = advertised(this.#entrance.address, this.options, registry);
    this.#node = this.#describe(address, this.#entrance.secure === true);
    await this.subscriptions.start();
    await this.register();
    logger.info('serving', {
      service: this.service,
      node: this.#node.id,
      address,
      registry: registry.name,
    });
  }

  /** Deregisters, goes on while callers learn, refuses new calls, waits for those in flight, and closes. */
  async #drain(): Promise<void> {
    const { clock, logger } = this.#parts;
    const { drainMs, lingerMs = this.foreign ? LINGER_MS : 0 } = this.options;
    this.#state = 'lingering';
    this.turned(false);
    await this.deregister().catch((error: unknown) => logger.warn('could not deregister', { error }));
    if (lingerMs > 0) await clock.sleep(lingerMs);
    this.#state = 'draining';
    this.dispatcher.close();
    this.#entrance?.drain?.();
    await Promise.all([
      this.subscriptions.stop(drainMs),
      Promise.race([this.dispatcher.idle(), this.#patience(drainMs)]),
    ]);
    const left = this.dispatcher.stats.active;
    if (left > 0) logger.warn('cancelling calls that did not end in time', { calls: left, drainMs });
    this.dispatcher.cancel(new OctavoError('unavailable', `${this.service} is stopping`));
    await this.#close();
  }

  async #close(): Promise<void> {
    this.#registration.stop();
    await this.deregister().catch(() => {});
    await this.subscriptions.stop(this.options.drainMs);
    await this.#entrance?.close();
    this.#entrance = undefined;
    await this.#admin?.close();
    this.#admin = undefined;
    this.#node = undefined;
  }

  #patience(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.after(ms, resolve, { background: true }));
  }

  #debugEndpoints(): readonly Endpoint[] {
    const { identity } = this.#parts;
    const readings = (): Iterable<Reading> => this.#insight?.readings() ?? [];
    return debugEndpoints({ ...this.#parts, package: identity.package, stats: () => this.stats, readings });
  }

  /** Adds `Debug.Trace` with the first wrapper that remembers spans, unless others answer `Debug`. */
  #showSpans(wrappers: readonly Wrapper[]): void {
    const shown = this.#traces.size > 0;
    for (const { spans } of wrappers) if (spans !== undefined) this.#traces.add(spans);
    if (shown || this.#traces.size === 0 || this.options.debug !== undefined) return;
    const all = (): readonly SpanRecord[] => [...this.#traces].flatMap((spans) => spans());
    this.dispatcher.add(traceEndpoint(this.#parts.identity.package, all));
  }

  #describe(address: string, secure: boolean): Node {
    const { broker, registry, identity } = this.#parts;
    const metadata = {
      ...identity.metadata,
      ...this.options.metadata,
      ...this.facts,
      broker: broker.name,
      registry: registry.name,
      octavo: '1',
      ...(secure && { secure: 'true' }),
    };
    return { id: `${this.service}-${this.#id}`, address, metadata };
  }

  #record(node: Node): ServiceRecord {
    const { identity } = this.#parts;
    return {
      name: this.service,
      version: this.options.version ?? identity.version,
      metadata: identity.metadata,
      endpoints: endpointRecords(this.dispatcher.endpoints, this.subscriptions.all),
      nodes: [node],
    };
  }
}
