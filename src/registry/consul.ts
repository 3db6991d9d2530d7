import { isLoopback } from '../core/address.js';
import { Clock } from '../core/clock.js';
import { parseHttpAddress } from '../core/http-address.js';
import { JsonHttp } from '../core/json-http.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import type { DialTls } from '../core/tls.js';
import { Turns } from '../core/turns.js';
import { ConsulAgent, nextIndex, type ReadOptions } from './consul/agent.js';
import { FollowedNodes } from './followed-nodes.js';
import { nodesOf, versionsOf, type NodeRecord } from './node-record.js';
import type { NodeView } from './node-view.js';
import { checkRecord, frozen } from './record.js';
import { writeRecord } from './record-json.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';
import { Vigil } from './vigil.js';

export interface ConsulOptions extends RegistryOptions, ReadOptions {
  /** The agent of this machine, `host:port` or `https://token@host:port`; others are asked where it cannot be reached. @defaultValue `['127.0.0.1:8500']` */
  readonly addresses?: readonly string[];
  /** An ACL token, with `service:write`, `service:read` and `node:read`. @defaultValue none */
  readonly token?: string;
  /** Certificates; `{}` insists on TLS with what Node knows. @defaultValue TLS where an address begins with `https:` */
  readonly tls?: DialTls;
  /** Where services are looked for. They are registered with the agent, wherever that is. @defaultValue the agent's */
  readonly datacenter?: string;
  /** How true an answer is: `stale` is any server's, `consistent` costs a round trip between servers. @defaultValue `'default'` */
  readonly consistency?: 'default' | 'stale' | 'consistent';
  /** For how long one question may take, in milliseconds. @defaultValue `2_000` */
  readonly timeoutMs?: number;
  /** For how long the start looks for an agent, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
}

export interface ConsulParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What was registered from here. */
interface Registered {
  readonly id: string;
  readonly text: string;
  readonly ttlMs: number | undefined;
}

/** How long changes are gathered before all services are listed anew, and who answers too soon is left alone, in milliseconds. */
const GATHER_MS = 100;

/** Keeps nodes in a Consul agent as services with a TTL check, in go-micro's tags. Only healthy ones are found. */
export class ConsulRegistry extends Registry {
  readonly name = 'consul';
  readonly local: boolean;
  readonly options: Omit<ConsulOptions, 'addresses' | 'token' | 'tls'>;
  readonly #token: string | undefined;
  readonly #http: JsonHttp;
  readonly #agent: ConsulAgent;
  readonly #clock: Clock;
  readonly #followed: FollowedNodes;
  readonly #vigil: Vigil;
  readonly #turns = new Turns();
  /** By key. */
  readonly #registered = new Map<string, Registered>();
  /** Whose the ids are, by key, of what is registered from here. */
  readonly #claimed = new Map<string, string>();

  constructor(options: ConsulOptions, parts: ConsulParts) {
    super();
    const { addresses: given = ['127.0.0.1:8500'], token: _token, tls, ...shown } = options;
    const { timeoutMs = 2_000 } = shown;
    this.options = { connectTimeoutMs: 5_000, ...shown, timeoutMs };
    const parsed = given.map((address) => parseHttpAddress(address, 8_500));
    this.local = parsed.every(({ host }) => isLoopback(host));
    // What stands before an `@` is a token, and no user of HTTP's.
    const addresses = given.map((address) => address.replace(/[^@/]*@/, ''));
    const token = options.token ?? parsed.find(({ user }) => user !== undefined)?.user;
    this.#token = token;
    const headers = (): Record<string, string> => (token === undefined ? {} : { 'x-consul-token': token });
    this.#http = new JsonHttp(
      'the consul registry',
      { addresses, port: 8_500, timeoutMs, headers, ...(tls && { tls }) },
      parts,
    );
    this.#agent = new ConsulAgent(this.#http, parts.clock, shown);
    this.#clock = parts.clock;
    this.#followed = new FollowedNodes({
      registry: this.name,
      ...parts,
      follow: (service, view, signal) =>
        service === undefined ? this.#followAll(view, signal) : this.#follow(service, view, signal),
    });
    this.#vigil = new Vigil({
      turns: this.#turns,
      ...parts,
      gone: async (key, signal) => this.#agent.gone(this.#registered.get(key)?.id ?? '', signal),
    });
  }

  /** Rejects with `unauthenticated` at once for a wrong token, with `unavailable` when there is no agent, or no leader. */
  async start(): Promise<void> {
    const { connectTimeoutMs = 5_000 } = this.options;
    try {
      await this.#http.start();
      await this.#http.find('Consul', connectTimeoutMs, () => this.#agent.check(this.#token));
    } catch (error) {
      this.#http.stop();
      throw error;
    }
  }

  stop(): void {
    this.#followed.end();
    this.#vigil.end();
    this.#http.stop();
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    checkRecord(service);
    const records = nodesOf(frozen(service));
    await this.#followed.begun(service.name);
    await Promise.all(
      records.map(async (record) => {
        const key = keyOf(record);
        const renew = (): Promise<void> => this.#renew(record, ttlMs);
        await this.#turns.take(key, async () => {
          await renew();
          this.#vigil.keep(key, ttlMs, renew);
        });
      }),
    );
  }

  async deregister(service: ServiceRecord): Promise<void> {
    await this.#followed.begun(service.name);
    const records = nodesOf(service);
    await Promise.all(records.map((record) => this.#turns.take(keyOf(record), () => this.#remove(record))));
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    await this.#followed.begun(name);
    return versionsOf(await this.#healthy(name));
  }

  async listServices(): Promise<readonly string[]> {
    const names = await this.#agent.names(0);
    const critical = await this.#agent.critical(0);
    // Those that have a sick instance may have no other. A machine that is down takes all of its own with it.
    const doubted = (name: string): boolean =>
      critical?.found.has('') === true || critical?.found.has(name) === true;
    const there = await Promise.all(
      (names?.found ?? []).map(async (name) => !doubted(name) || (await this.#healthy(name)).length > 0),
    );
    return (names?.found ?? []).filter((_, n) => there[n]).sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#followed.watch(options);
  }

  async #healthy(name: string, signal?: AbortSignal): Promise<NodeRecord[]> {
    const answer = await this.#agent.healthy(name, 0, signal);
    return answer?.found ?? [];
  }

  /** Passes the check of what is there, and registers what is not, or is something else: an agent may have lost its memory. */
  async #renew(record: NodeRecord, ttlMs: number | undefined): Promise<void> {
    const { service } = record;
    const key = keyOf(record);
    const text = writeRecord(record);
    const known = this.#registered.get(key);
    if (known?.text === text && known.ttlMs === ttlMs) {
      const { id } = known;
      if (await (ttlMs === undefined ? this.#agent.has(service.name, id) : this.#agent.pass(id))) return;
    }
    const id = known?.id ?? (await this.#claim(record));
    // Until it is known to be there, it may be there or not.
    if (known !== undefined) this.#registered.set(key, { ...known, text: '' });
    await this.#agent.register(record, id, ttlMs);
    this.#registered.set(key, { id, text, ttlMs });
    this.#followed.own(service.name, key, record);
  }

  /** An id of Consul's that no other service has: two that are registered at once from here are not there yet. */
  async #claim(record: NodeRecord): Promise<string> {
    const { service, node } = record;
    const key = keyOf(record);
    const free = await this.#agent.idOf(service.name, node.id);
    const id = (this.#claimed.get(free) ?? key) === key ? free : `${service.name}/${node.id}`;
    this.#claimed.set(id, key);
    return id;
  }

  async #remove(record: NodeRecord): Promise<void> {
    const { service, node } = record;
    const key = keyOf(record);
    // Not before: what is registered in the turn before this one is kept from then on.
    this.#vigil.drop(key);
    const id = this.#registered.get(key)?.id ?? (await this.#agent.idOf(service.name, node.id));
    await this.#agent.deregister(id);
    this.#registered.delete(key);
    if (this.#claimed.get(id) === key) this.#claimed.delete(id);
    this.#followed.own(service.name, key, undefined);
  }

  async #follow(service: string, view: NodeView, signal: AbortSignal): Promise<void> {
    for (let index = 0; ;) {
      const answer = await this.#agent.healthy(service, index, signal);
      if (signal.aborted) return;
      // Nobody may be there any more: a list that does not wait tells.
      if (answer === undefined) return;
      view.replace(byKey(answer.found));
      const next = nextIndex(index, answer);
      // Whoever answers before there is anything new would be asked without end.
      if (next <= index) await this.#clock.sleep(GATHER_MS, signal);
      index = next;
    }
  }

  /** Two questions wait for any change, whatever the number of services: an agent lets nobody have more than a few connections. */
  async #followAll(view: NodeView, signal: AbortSignal): Promise<void> {
    for (;;) {
      const names = await this.#agent.names(0, signal);
      const critical = await this.#agent.critical(0, signal);
      const found = await Promise.all((names?.found ?? []).map((name) => this.#healthy(name, signal)));
      if (signal.aborted || names === undefined || critical === undefined) return;
      view.replace(byKey(found.flat()));
      const one = new AbortController();
      const both = AbortSignal.any([signal, one.signal]);
      const waits = [this.#agent.names(names.index, both), this.#agent.critical(critical.index, both)];
      try {
        if ((await Promise.race(waits)) === undefined) return;
      } finally {
        one.abort();
        await Promise.allSettled(waits);
      }
      await this.#clock.sleep(GATHER_MS, signal);
    }
  }
}

/** Finds services through Consul. */
export function consul(options: ConsulOptions = {}): Provider<Registry> {
  return (resolve) => new ConsulRegistry(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

function keyOf({ service, node }: NodeRecord): string {
  return JSON.stringify([service.name, node.id]);
}

function byKey(records: readonly NodeRecord[]): Map<string, NodeRecord> {
  return new Map(records.map((record) => [keyOf(record), record]));
}
