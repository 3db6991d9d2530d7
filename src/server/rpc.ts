import { randomUUID } from 'node:crypto';
import { Broker, type Subscriber } from '../broker/broker.js';
import { Codecs } from '../codec/codecs.js';
import { advertised } from '../core/advertise.js';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Identity } from '../core/identity.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node, type ServiceRecord } from '../registry/registry.js';
import { Transport, type Listener } from '../transport/transport.js';
import { AdminListener } from './admin.js';
import { debugEndpoints } from './debug.js';
import { Dispatcher } from './dispatcher.js';
import { Registration } from './rpc/registration.js';
import { endpointRecords } from './rpc/record.js';
import { Intake } from './rpc/intake.js';
import { Server, type Endpoint, type ServerOptions, type Subscription } from './server.js';
import { ServerDefaults } from './server-defaults.js';
import { Subscriptions } from './subscriptions.js';

/** What the rpc server stands on. */
export interface RpcServerParts {
  readonly identity: Identity;
  readonly transport: Transport;
  readonly broker: Broker;
  readonly registry: Registry;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly logger: Logger;
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

/** Serves go-micro's rpc protocol, mucp, on whatever transport there is. */
export class RpcServer extends Server {
  readonly name = 'rpc';
  readonly options: ServerOptions & typeof DEFAULTS;
  readonly #parts: RpcServerParts;
  readonly #dispatcher: Dispatcher;
  readonly #subscriptions: Subscriptions;
  readonly #registration: Registration;
  readonly #id: string;
  #listener: Listener | undefined;
  #admin: AdminListener | undefined;
  #node: Node | undefined;
  #state: 'stopped' | 'starting' | 'ready' | 'lingering' | 'draining' = 'stopped';
  #intake: Intake | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws `failed_precondition` for an interval over half the TTL: one lost renewal would take the node away */
  constructor(options: ServerOptions, parts: RpcServerParts) {
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
    this.#dispatcher = new Dispatcher(wrappers);
    const { debug = debugEndpoints({ ...parts, stats: () => this.stats }) } = this.options;
    for (const endpoint of debug === false ? [] : debug) this.#dispatcher.add(endpoint);
    this.#subscriptions = new Subscriptions(parts, subscriberWrappers);
    this.#registration = new Registration(parts, registerTtlMs, registerIntervalMs);
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
    return this.#dispatcher.stats;
  }

  handle(endpoints: readonly Endpoint[]): void {
    if (this.#state !== 'stopped')
      throw new OctavoError(
        'failed_precondition',
        `the rpc server of ${this.#serviceName} runs: add endpoints before its start`,
      );
    for (const endpoint of endpoints) this.#dispatcher.add(endpoint);
  }

  async subscribe(subscriptions: readonly Subscription[]): Promise<readonly Subscriber[]> {
    return this.#subscriptions.add(subscriptions);
  }

  async start(): Promise<void> {
    if (this.#state !== 'stopped') return;
    this.#state = 'starting';
    try {
      await this.#open();
      this.#state = 'ready';
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

  get #serviceName(): string {
    return this.options.name ?? this.#parts.identity.name;
  }

  async #open(): Promise<void> {
    const { transport, registry, logger } = this.#parts;
    this.#checkStreams();
    const intake = (this.#intake = new Intake({
      ...this.#parts,
      service: this.#serviceName,
      limits: this.options,
      dispatcher: this.#dispatcher,
      subscriptions: this.#subscriptions,
      draining: () => this.#state === 'draining',
    }));
    const probes = { healthy: () => this.#state !== 'stopped', ready: () => this.#state === 'ready' };
    const { admin, address: bind = LOOPBACK } = this.options;
    if (admin !== undefined) this.#admin = await AdminListener.open(admin, probes);
    this.#listener = await transport.listen(bind, (socket) => intake.take(socket), { probes });
    const address = advertised(this.#listener.address, this.options, registry);
    this.#node = this.#describe(address);
    await this.#subscriptions.start();
    await this.register();
    logger.info('serving', {
      service: this.#serviceName,
      node: this.#node.id,
      address,
      registry: registry.name,
    });
  }

  /** Deregisters, goes on while callers learn, refuses new calls, waits for those in flight, and closes. */
  async #drain(): Promise<void> {
    const { clock, logger } = this.#parts;
    const { drainMs, lingerMs = this.#intake?.foreign === true ? LINGER_MS : 0 } = this.options;
    this.#state = 'lingering';
    await this.deregister().catch((error: unknown) => logger.warn('could not deregister', { error }));
    if (lingerMs > 0) await clock.sleep(lingerMs);
    this.#state = 'draining';
    await Promise.all([
      this.#subscriptions.stop(drainMs),
      Promise.race([this.#dispatcher.idle(), this.#patience(drainMs)]),
    ]);
    const left = this.#dispatcher.stats.active;
    if (left > 0) logger.warn('cancelling calls that did not end in time', { calls: left, drainMs });
    this.#dispatcher.cancel(new OctavoError('unavailable', `${this.#serviceName} is stopping`));
    await this.#close();
  }

  async #close(): Promise<void> {
    this.#registration.stop();
    await this.deregister().catch(() => {});
    await this.#subscriptions.stop(this.options.drainMs);
    await this.#listener?.close();
    this.#listener = undefined;
    await this.#admin?.close();
    this.#admin = undefined;
    this.#node = undefined;
  }

  #patience(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.after(ms, resolve, { background: true }));
  }

  #checkStreams(): void {
    const { transport } = this.#parts;
    const stream = this.#dispatcher.endpoints.find(({ method }) => method.kind !== 'unary');
    if (transport.streams || stream === undefined) return;
    throw new OctavoError(
      'failed_precondition',
      `${stream.method.endpoint} is a stream, which the ${transport.name} transport cannot carry: use another transport`,
    );
  }

  #describe(address: string): Node {
    const { transport, broker, registry, identity } = this.#parts;
    const metadata = {
      ...identity.metadata,
      ...this.options.metadata,
      transport: transport.name,
      broker: broker.name,
      server: 'mucp',
      registry: registry.name,
      protocol: 'mucp',
      octavo: '1',
    };
    return { id: `${this.#serviceName}-${this.#id}`, address, metadata };
  }

  #record(node: Node): ServiceRecord {
    const { identity } = this.#parts;
    return {
      name: this.#serviceName,
      version: this.options.version ?? identity.version,
      metadata: identity.metadata,
      endpoints: endpointRecords(this.#dispatcher.endpoints, this.#subscriptions.all),
      nodes: [node],
    };
  }
}

/** Serves go-micro's rpc protocol. */
export function rpc(options: ServerOptions = {}): Provider<Server> {
  return (resolve) =>
    new RpcServer(
      { ...resolve(ServerDefaults).options, ...defined(options) },
      {
        identity: resolve(Identity),
        transport: resolve(Transport),
        broker: resolve(Broker),
        registry: resolve(Registry),
        codecs: resolve(Codecs),
        clock: resolve(Clock),
        logger: resolve(Logger),
      },
    );
}

/** Without the members that are there but `undefined`, which would hide a default. */
function defined<T extends object>(options: T): T {
  // The same members, of which some are left out; all of them are optional.
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
