import { isLoopback } from '../core/address.js';
import { Clock } from '../core/clock.js';
import { parseHttpAddress } from '../core/http-address.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { Turns } from '../core/turns.js';
import { EtcdClient, type Stored } from './etcd/client.js';
import type { EtcdTls } from './etcd/tls.js';
import { FollowedNodes } from './followed-nodes.js';
import { nodesOf, versionsOf, type NodeRecord } from './node-record.js';
import type { NodeView } from './node-view.js';
import { checkRecord, frozen } from './record.js';
import { readRecord, writeRecord } from './record-json.js';
import { PREFIX, recordKey, servicePrefix } from './record-key.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';
import { Vigil } from './vigil.js';

export type { EtcdTls } from './etcd/tls.js';

export interface EtcdOptions extends RegistryOptions {
  /** Members of one cluster, `host:port` or `https://user:pass@host:port`. @defaultValue `['127.0.0.1:2379']` */
  readonly addresses?: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  /** Certificates; `{}` insists on TLS with what Node knows. @defaultValue TLS where an address begins with `https:` */
  readonly tls?: EtcdTls;
  /** Put before every key, so that several systems can share one etcd. @defaultValue `'/micro/registry/'`, go-micro's */
  readonly prefix?: string;
  /** For how long one question to a member may take, in milliseconds. @defaultValue `2_000` */
  readonly timeoutMs?: number;
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
}

export interface EtcdParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What was put from here. */
interface Put {
  readonly text: string;
  /** Its lease; `undefined` for a node that stays for ever. */
  readonly lease: string | undefined;
  readonly ttlMs: number | undefined;
}

/** Keeps nodes in etcd by API v3, each under a lease of its own, with go-micro's keys and records. Needs `npm install etcd3`. */
export class EtcdRegistry extends Registry {
  readonly name = 'etcd';
  readonly local: boolean;
  readonly options: Omit<EtcdOptions, 'addresses' | 'user' | 'pass' | 'tls'>;
  readonly #prefix: string;
  readonly #client: EtcdClient;
  readonly #followed: FollowedNodes;
  readonly #vigil: Vigil;
  readonly #turns = new Turns();
  /** By key. */
  readonly #put = new Map<string, Put>();

  constructor(options: EtcdOptions, parts: EtcdParts) {
    super();
    const { addresses = ['127.0.0.1:2379'], user: _user, pass: _pass, tls: _tls, ...shown } = options;
    this.options = { prefix: PREFIX, timeoutMs: 2_000, connectTimeoutMs: 5_000, ...shown };
    this.#prefix = this.options.prefix ?? PREFIX;
    this.local = addresses.every((address) => isLoopback(parseHttpAddress(address, 2_379).host));
    this.#client = new EtcdClient({ ...options, ...this.options, addresses }, this.#prefix, parts);
    this.#followed = new FollowedNodes({
      registry: this.name,
      ...parts,
      follow: (service, view, signal) => this.#follow(service, view, signal),
    });
    this.#vigil = new Vigil({
      turns: this.#turns,
      ...parts,
      gone: (key, signal) => this.#client.gone(key, signal),
    });
  }

  /** Rejects with `unauthenticated` at once when the server does not know us, with `unavailable` when there is none. */
  async start(): Promise<void> {
    await this.#client.start();
  }

  async stop(): Promise<void> {
    this.#followed.end();
    this.#vigil.end();
    await this.#client.stop();
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    checkRecord(service);
    const records = nodesOf(frozen(service));
    await this.#followed.begun(service.name);
    await Promise.all(
      records.map(async (record) => {
        const key = this.#keyOf(record);
        const renew = (): Promise<void> => this.#renew(key, writeRecord(record), ttlMs);
        await this.#turns.take(key, async () => {
          await renew();
          this.#vigil.keep(key, ttlMs, renew);
        });
      }),
    );
  }

  async deregister(service: ServiceRecord): Promise<void> {
    await this.#followed.begun(service.name);
    const keys = nodesOf(service).map((record) => this.#keyOf(record));
    await Promise.all(keys.map((key) => this.#turns.take(key, () => this.#remove(key))));
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    await this.#followed.begun(name);
    const { stored } = await this.#client.list(servicePrefix(this.#prefix, name));
    return versionsOf([...recordsIn(stored, name).values()]);
  }

  async listServices(): Promise<readonly string[]> {
    const { stored } = await this.#client.list(this.#prefix);
    return [...new Set([...recordsIn(stored).values()].map(({ service }) => service.name))].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#followed.watch(options);
  }

  #keyOf({ service, node }: NodeRecord): string {
    return recordKey(this.#prefix, service.name, node.id);
  }

  /** Renews the lease of what is there, and puts what is not, or is something else: an etcd may have lost its memory. */
  async #renew(key: string, text: string, ttlMs: number | undefined): Promise<void> {
    const known = this.#put.get(key);
    const lease = await this.#lease(known, ttlMs);
    if (known?.text === text && known.lease === lease && (await this.#client.get(key))?.value === text)
      return;
    // Until it is known to be there, it may be there or not.
    this.#put.delete(key);
    await this.#client.put(key, text, lease);
    this.#put.set(key, { text, lease, ttlMs });
  }

  async #lease(known: Put | undefined, ttlMs: number | undefined): Promise<string | undefined> {
    if (ttlMs === undefined) return undefined;
    const { lease } = known ?? {};
    if (lease !== undefined && known?.ttlMs === ttlMs && (await this.#client.keepAlive(lease))) return lease;
    return this.#client.grant(Math.max(1, Math.ceil(ttlMs / 1_000)));
  }

  async #remove(key: string): Promise<void> {
    // Not before: what is registered in the turn before this one is kept from then on.
    this.#vigil.drop(key);
    const lease = this.#put.get(key)?.lease;
    this.#put.delete(key);
    await this.#client.remove(key);
    if (lease !== undefined) this.#client.revoke(lease);
  }

  async #follow(service: string | undefined, view: NodeView, signal: AbortSignal): Promise<void> {
    const prefix = servicePrefix(this.#prefix, service);
    const { stored, revision } = await this.#client.list(prefix);
    if (signal.aborted) return;
    view.replace(recordsIn(stored, service));
    await this.#client.follow(prefix, revision, signal, ({ key, value }) => {
      const record = value === undefined ? undefined : recordIn(value, service);
      if (record === undefined) view.remove(key);
      else view.put(key, record);
    });
  }
}

/** Finds services through etcd, by API v3. */
export function etcd(options: EtcdOptions = {}): Provider<Registry> {
  return (resolve) => new EtcdRegistry(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

/** By key. What is no record, or that of another service, is passed over. */
function recordsIn(stored: readonly Stored[], service?: string): Map<string, NodeRecord> {
  const records = new Map<string, NodeRecord>();
  for (const { key, value } of stored) {
    const record = recordIn(value, service);
    if (record !== undefined) records.set(key, record);
  }
  return records;
}

/** There is one node under each key. */
function recordIn(value: string, service: string | undefined): NodeRecord | undefined {
  const [record] = readRecord(value);
  return service === undefined || record?.service.name === service ? record : undefined;
}
