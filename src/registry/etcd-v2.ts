import { isLoopback } from '../core/address.js';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { parseHttpAddress } from '../core/http-address.js';
import { JsonHttp, type JsonAnswer } from '../core/json-http.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import type { DialTls } from '../core/tls.js';
import { Turns } from '../core/turns.js';
import { FollowedNodes } from './followed-nodes.js';
import { nodesOf, versionsOf, type NodeRecord } from './node-record.js';
import type { NodeView } from './node-view.js';
import { checkRecord, frozen } from './record.js';
import { isObject, readRecord, writeRecord } from './record-json.js';
import { recordKey, servicePrefix } from './record-key.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';
import { Vigil } from './vigil.js';

export interface EtcdV2Options extends RegistryOptions {
  /** Members of one cluster, `host:port` or `https://user:pass@host:port`. @defaultValue `['127.0.0.1:2379']` */
  readonly addresses?: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  /** Certificates; `{}` insists on TLS with what Node knows. @defaultValue TLS where an address begins with `https:` */
  readonly tls?: DialTls;
  /** Put before every key, so that several systems can share one etcd. @defaultValue `'/micro-registry/'`, go-micro's for API v2 */
  readonly prefix?: string;
  /** For how long one question may take, in milliseconds. @defaultValue `2_000` */
  readonly timeoutMs?: number;
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
}

export interface EtcdV2Parts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** For how long a change is waited for before everything is listed anew, in milliseconds. */
const WAIT_MS = 30_000;
/** How long whoever answers too soon is left alone, in milliseconds. */
const SOON_MS = 100;
/** etcd's numbers for: there is no such key; it is something else; what was so long ago is forgotten. */
const NO_KEY = 100;
const NOT_EQUAL = 101;
/** How deep a list is read: services, and their nodes. */
const DEEPEST = 4;

/** Keeps nodes in etcd by its old API v2, each with a time to live of its own, with go-micro's keys and records. The server needs `--enable-v2`. */
export class EtcdV2Registry extends Registry {
  readonly name = 'etcd-v2';
  readonly local: boolean;
  readonly options: Omit<EtcdV2Options, 'addresses' | 'user' | 'pass' | 'tls'>;
  readonly #prefix: string;
  readonly #http: JsonHttp;
  readonly #clock: Clock;
  readonly #followed: FollowedNodes;
  readonly #vigil: Vigil;
  readonly #turns = new Turns();

  constructor(options: EtcdV2Options, parts: EtcdV2Parts) {
    super();
    const { addresses = ['127.0.0.1:2379'], user, pass = '', tls, ...shown } = options;
    const { timeoutMs = 2_000, prefix = '/micro-registry/' } = shown;
    this.options = { connectTimeoutMs: 5_000, ...shown, timeoutMs, prefix };
    this.#prefix = prefix;
    this.local = addresses.every((address) => isLoopback(parseHttpAddress(address, 2_379).host));
    const authorization = user !== undefined && `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}`;
    const headers = (): Record<string, string> => (authorization === false ? {} : { authorization });
    this.#http = new JsonHttp(
      'the etcd-v2 registry',
      { addresses, port: 2_379, timeoutMs, headers, ...(tls && { tls }) },
      parts,
    );
    this.#clock = parts.clock;
    this.#followed = new FollowedNodes({
      registry: this.name,
      ...parts,
      follow: (service, view, signal) => this.#follow(service, view, signal),
    });
    this.#vigil = new Vigil({ turns: this.#turns, ...parts, gone: (key, signal) => this.#gone(key, signal) });
  }

  /** Rejects with `unauthenticated` at once when the server does not know us, with `unavailable` when there is none. */
  async start(): Promise<void> {
    const { connectTimeoutMs = 5_000 } = this.options;
    try {
      await this.#http.start();
      await this.#http.find('etcd', connectTimeoutMs, async () => void (await this.#list(undefined)));
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
    const keyed = records.map((record) => [this.#keyOf(record), writeRecord(record)] as const);
    await this.#followed.begun(service.name);
    const ttl = ttlMs === undefined ? undefined : Math.max(1, Math.ceil(ttlMs / 1_000));
    await Promise.all(
      keyed.map(async ([key, text]) => {
        const renew = (): Promise<void> => this.#renew(key, text, ttl);
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
    const { records } = await this.#list(name);
    return versionsOf(records.values());
  }

  async listServices(): Promise<readonly string[]> {
    const { records } = await this.#list(undefined);
    return [...new Set([...records.values()].map(({ service }) => service.name))].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#followed.watch(options);
  }

  #keyOf({ service, node }: NodeRecord): string {
    for (const part of [service.name, node.id])
      if (/^(?:_|\.{1,2}$)/.test(part))
        throw new OctavoError(
          'invalid_argument',
          `"${part}" cannot be registered in etcd-v2, which hides what begins with "_" and has no "." and "..": choose another name`,
        );
    return recordKey(this.#prefix, service.name, node.id);
  }

  /** Renews what is there, and puts what is not, or is something else: an etcd may have lost its memory. */
  async #renew(key: string, text: string, ttl: number | undefined): Promise<void> {
    const path = pathOf(key);
    const known = { refresh: 'true', prevExist: 'true', prevValue: text };
    if (ttl !== undefined) {
      const body = new URLSearchParams({ ttl: String(ttl), ...known });
      const answer = await this.#http.ask({ method: 'PUT', path, body });
      if (answer.status === 200) return;
      if (![NO_KEY, NOT_EQUAL].includes(numberOf(answer))) throw this.#refusal(answer);
    } else if (textAt(await this.#http.ask({ path: `${path}?quorum=true` })) === text) return;
    const body = new URLSearchParams({ value: text, ...(ttl !== undefined && { ttl: String(ttl) }) });
    const answer = await this.#http.ask({ method: 'PUT', path, body });
    if (answer.status !== 200 && answer.status !== 201) throw this.#refusal(answer);
  }

  async #remove(key: string): Promise<void> {
    // Not before: what is registered in the turn before this one is kept from then on.
    this.#vigil.drop(key);
    const answer = await this.#http.ask({ method: 'DELETE', path: pathOf(key) });
    if (answer.status !== 200 && numberOf(answer) !== NO_KEY) throw this.#refusal(answer);
  }

  /** The nodes of a service or of all, by key, and the index at which that is so. */
  async #list(service: string | undefined): Promise<{ records: Map<string, NodeRecord>; index: number }> {
    const path = `${pathOf(servicePrefix(this.#prefix, service))}?recursive=true&quorum=true`;
    const answer = await this.#http.ask({ path });
    if (answer.status !== 200 && numberOf(answer) !== NO_KEY) throw this.#refusal(answer);
    const records = new Map<string, NodeRecord>();
    if (answer.status === 200 && isObject(answer.body)) gather(answer.body['node'], service, records, 1);
    const index = Number(answer.headers['x-etcd-index']);
    if (!Number.isSafeInteger(index)) throw this.#refusal(answer);
    return { records, index };
  }

  async #follow(service: string | undefined, view: NodeView, signal: AbortSignal): Promise<void> {
    const { records, index } = await this.#list(service);
    if (signal.aborted) return;
    view.replace(records);
    const path = `${pathOf(servicePrefix(this.#prefix, service))}?recursive=true&wait=true&waitIndex=`;
    for (let at = index + 1; ;) {
      const answer = await this.#http.wait({ path: path + String(at), timeoutMs: WAIT_MS, signal });
      if (signal.aborted) return;
      // Nothing may have happened, or nobody may be there any more: a list tells.
      if (answer === undefined) return;
      const node = answer.status === 200 && isObject(answer.body) ? answer.body['node'] : undefined;
      const changed = isObject(node) ? node['modifiedIndex'] : undefined;
      if (!isObject(node) || typeof changed !== 'number' || changed < at) throw this.#refusal(answer);
      // A whole service was taken away.
      if (node['dir'] === true) return;
      at = changed + 1;
      tell(node, service, view);
    }
  }

  /** Resolves when there is nothing under a key any more. Rejects when that cannot be told. */
  async #gone(key: string, signal: AbortSignal): Promise<void> {
    for (let index: string | undefined; ;) {
      const path = `${pathOf(key)}?${index === undefined ? 'quorum=true' : `wait=true&waitIndex=${index}`}`;
      const answer = await this.#http.wait({ path, timeoutMs: WAIT_MS, signal });
      if (answer !== undefined && answer.status !== 200) return;
      if (index !== undefined && answer !== undefined && textAt(answer) === undefined) return;
      // After a change, and after a long silence, it is asked for anew, and not without end of whoever answers too soon.
      if (index !== undefined && answer !== undefined) await this.#clock.sleep(SOON_MS, signal);
      index = index === undefined && answer ? String(Number(answer.headers['x-etcd-index']) + 1) : undefined;
    }
  }

  #refusal(answer: JsonAnswer): OctavoError {
    const { status, body } = answer;
    const at = `etcd at ${this.#http.where}`;
    if (status === 401)
      return new OctavoError(
        'unauthenticated',
        `${at} refused the etcd-v2 registry: wrong user or password, or one without a role that reaches the prefix`,
      );
    if (status === 403)
      return new OctavoError('permission_denied', `${at} does not let the etcd-v2 registry do this`);
    if (status === 404 && numberOf(answer) === 0)
      return new OctavoError(
        'failed_precondition',
        `${at} has no API v2: start it with --enable-v2, or use etcd`,
      );
    const said = isObject(body) && typeof body['message'] === 'string' ? `: ${body['message']}` : '';
    return new OctavoError('unavailable', `${at} answered the etcd-v2 registry with ${status}${said}`);
  }
}

/** Finds services through etcd, by API v2. */
export function etcdV2(options: EtcdV2Options = {}): Provider<Registry> {
  return (resolve) => new EtcdV2Registry(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

function pathOf(key: string): string {
  return `/v2/keys${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** etcd's number for what went wrong; 0 for none. */
function numberOf({ body }: JsonAnswer): number {
  const number = isObject(body) ? body['errorCode'] : undefined;
  return typeof number === 'number' ? number : 0;
}

function textAt({ body }: JsonAnswer): unknown {
  const node = isObject(body) ? body['node'] : undefined;
  return isObject(node) ? node['value'] : undefined;
}

function tell(node: Readonly<Record<string, unknown>>, service: string | undefined, view: NodeView): void {
  const records = new Map<string, NodeRecord>();
  gather(node, service, records, DEEPEST);
  const { key } = node;
  if (typeof key !== 'string') return;
  const record = records.get(key);
  if (record === undefined) view.remove(key);
  else view.put(key, record);
}

/** Adds the records that a part of the tree has. What is no record, or that of another service, is passed over. */
function gather(
  node: unknown,
  service: string | undefined,
  records: Map<string, NodeRecord>,
  depth: number,
): void {
  if (!isObject(node)) return;
  const { key, value, nodes } = node;
  if (Array.isArray(nodes) && depth < DEEPEST)
    for (const each of nodes) gather(each, service, records, depth + 1);
  if (typeof key !== 'string' || typeof value !== 'string') return;
  const [record] = readRecord(value);
  if (record !== undefined && (service === undefined || record.service.name === service))
    records.set(key, record);
}
