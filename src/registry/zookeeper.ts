import { isLoopback } from '../core/address.js';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import type { DialTls } from '../core/tls.js';
import { FollowedNodes } from './followed-nodes.js';
import { nodesOf, versionsOf, type NodeRecord } from './node-record.js';
import type { NodeView } from './node-view.js';
import { checkRecord } from './record.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';
import { parseServers } from './zookeeper/address.js';
import { Dialler } from './zookeeper/dialler.js';
import { Follower, inParts } from './zookeeper/follower.js';
import type { Link } from './zookeeper/link.js';
import { OwnNodes } from './zookeeper/own-nodes.js';
import { dataOf, Paths } from './zookeeper/paths.js';
import { Supervisor } from './zookeeper/supervisor.js';

export interface ZooKeeperOptions extends RegistryOptions {
  /** Servers of one ensemble, `host:port` or `user:pass@host:port`. @defaultValue `['127.0.0.1:2181']` */
  readonly addresses?: readonly string[];
  /** The node of the tree that has all others below it. @defaultValue `'/micro-registry'`, go-micro's */
  readonly root?: string;
  /** Who we are, by ZooKeeper's digest scheme: nodes that are made here are open to those who have this and to no others. */
  readonly user?: string;
  readonly pass?: string;
  /** Certificates; `{}` insists on TLS with what Node knows. @defaultValue plain TCP */
  readonly tls?: DialTls;
  /** After how long without a sign of life the server takes our nodes away, in milliseconds; it has limits of its own. @defaultValue `10_000` */
  readonly sessionTimeoutMs?: number;
  /** For how long one question may take, in milliseconds. @defaultValue `5_000` */
  readonly timeoutMs?: number;
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
}

export interface ZooKeeperParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps nodes in ZooKeeper, under go-micro's paths, for as long as this process lives. Needs `npm install node-zookeeper-client`. */
export class ZooKeeperRegistry extends Registry {
  readonly name = 'zookeeper';
  readonly local: boolean;
  readonly options: Omit<ZooKeeperOptions, 'user' | 'pass' | 'tls'>;
  readonly #logger: Logger;
  readonly #paths: Paths;
  readonly #supervisor: Supervisor;
  readonly #own: OwnNodes;
  readonly #followed: FollowedNodes;
  readonly #followers = new Set<Follower>();
  #starting: Promise<void> | undefined;

  constructor(options: ZooKeeperOptions, parts: ZooKeeperParts) {
    super();
    const { addresses = ['127.0.0.1:2181'], user: givenUser, pass: givenPass, tls, ...shown } = options;
    const { servers, user = givenUser, pass = givenPass } = parseServers(addresses);
    const { sessionTimeoutMs = 10_000, timeoutMs = 5_000, connectTimeoutMs = 5_000 } = options;
    this.options = { ...shown, addresses: servers.map(({ shown: server }) => server) };
    this.local = servers.every(({ host }) => isLoopback(host));
    this.#logger = parts.logger;
    this.#paths = new Paths(options.root ?? '/micro-registry');
    const digest = user === undefined ? undefined : `${user}:${pass ?? ''}`;
    this.#supervisor = new Supervisor(
      { servers, sessionTimeoutMs, timeoutMs, connectTimeoutMs, digest },
      { ...parts, dialler: new Dialler(tls, parts) },
      (link) => void this.#restore(link),
    );
    this.#own = new OwnNodes({ ...parts, link: () => this.#supervisor.link });
    this.#followed = new FollowedNodes({
      ...parts,
      registry: this.name,
      follow: (service, view, signal) => this.#follow(service, view, signal),
    });
  }

  start(): Promise<void> {
    if (this.#starting !== undefined) return this.#starting;
    const starting = this.#supervisor.start((link) => this.#open(link));
    this.#starting = starting;
    const failed = (): void => {
      if (this.#starting === starting) this.#starting = undefined;
    };
    starting.catch(failed);
    return starting;
  }

  /** Ends the session, and with it the nodes that were registered here. */
  stop(): void {
    this.#starting = undefined;
    this.#followed.end();
    this.#own.clear();
    this.#supervisor.stop();
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    checkRecord(service);
    const nodes = nodesOf(service).map((record) => [this.#paths.node(record), dataOf(record)] as const);
    await this.#followed.begun(service.name);
    await this.#own.put(new Map(nodes), ttlMs);
    await this.#told();
  }

  async deregister(service: ServiceRecord): Promise<void> {
    await this.#followed.begun(service.name);
    await this.#own.remove(nodesOf(service).map((record) => this.#paths.node(record)));
    await this.#told();
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    const { link } = this.#supervisor;
    await this.#followed.begun(name);
    const folder = this.#paths.folder(name);
    const nodes = (await link.children(folder)) ?? [];
    const records = await inParts(nodes.toSorted(), (node) => this.#record(link, `${folder}/${node}`));
    return versionsOf(records.filter((record) => record?.service.name === name).filter(isThere));
  }

  async listServices(): Promise<readonly string[]> {
    const { link } = this.#supervisor;
    const { root } = this.#paths;
    const folders = (await link.children(root)) ?? [];
    const names = await inParts(folders, (folder) => this.#nameOf(link, `${root}/${folder}`));
    return [...new Set(names.flat())].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#followed.watch(options);
  }

  /** The root is there, and whoever we are may read it. */
  async #open(link: Link): Promise<void> {
    const { root } = this.#paths;
    if ((await link.children(root)) === undefined) await link.make(root);
  }

  async #follow(service: string | undefined, view: NodeView, signal: AbortSignal): Promise<void> {
    // Who has had a list can wait for the next one.
    if (view.listed) await this.#supervisor.soon(signal);
    if (signal.aborted) return;
    const { link, connected } = this.#supervisor;
    const follower = new Follower(link, this.#paths, view, AbortSignal.any([signal, connected]));
    this.#followers.add(follower);
    try {
      await follower.run(service);
    } finally {
      this.#followers.delete(follower);
    }
  }

  /** What was done from here is told before anything else is done: the watches of ZooKeeper pass over what was undone in between. */
  async #told(): Promise<void> {
    await Promise.all([...this.#followers].map((follower) => follower.settled()));
  }

  async #restore(link: Link): Promise<void> {
    try {
      await this.#own.restore(link);
    } catch (error) {
      this.#logger.warn('nodes could not be put back into ZooKeeper, the next renewal tries again', {
        error: OctavoError.from(error),
      });
    }
  }

  async #record(link: Link, path: string): Promise<NodeRecord | undefined> {
    const there = await link.read(path);
    return there && this.#paths.record(path, there.data);
  }

  /** The name of the service that has its nodes there; none where there are none. Those that share a folder are told apart by their records. */
  async #nameOf(link: Link, folder: string): Promise<readonly string[]> {
    const nodes = (await link.children(folder)) ?? [];
    const names = new Set<string>();
    for (const node of nodes) {
      const record = await this.#record(link, `${folder}/${node}`);
      if (record !== undefined) names.add(record.service.name);
      if (names.size > 0 && !folder.includes('-', this.#paths.root.length)) break;
    }
    return [...names];
  }
}

/** Finds services through ZooKeeper. */
export function zookeeper(options: ZooKeeperOptions = {}): Provider<Registry> {
  return (resolve) => new ZooKeeperRegistry(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

function isThere(record: NodeRecord | undefined): record is NodeRecord {
  return record !== undefined;
}
