import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { JsonAnswer, JsonHttp } from '../../core/json-http.js';
import type { NodeRecord } from '../node-record.js';
import { isObject } from '../record-json.js';
import { hasVersion, TagReader, writeTags } from './tags.js';

/** For how long Consul holds a question back while nothing changes, in seconds. It adds up to a sixteenth. */
const WAIT_S = 10;
const LONGEST_WAIT_MS = WAIT_S * 1_100 + 1_000;
/** How long whoever answers too soon is left alone, in milliseconds. */
const SOON_MS = 100;
/** When Consul forgets an instance that is critical: go-micro's, at least a minute, which is Consul's least. */
const FORGOTTEN_AFTER_MS = { least: 60_000, more: 5_000 };

export interface ReadOptions {
  readonly datacenter?: string;
  readonly consistency?: 'default' | 'stale' | 'consistent';
}

/** An answer, and the index of what it is about: a later question may wait until that has changed. */
export interface Indexed<T> {
  readonly found: T;
  readonly index: number;
}

/** What a registry asks of a Consul agent. */
export class ConsulAgent {
  readonly #http: JsonHttp;
  readonly #clock: Clock;
  readonly #query: string;

  constructor(http: JsonHttp, clock: Clock, { datacenter, consistency = 'default' }: ReadOptions) {
    this.#http = http;
    this.#clock = clock;
    const where = datacenter === undefined ? '' : `&dc=${encodeURIComponent(datacenter)}`;
    this.#query = where + (consistency === 'default' ? '' : `&${consistency}`);
  }

  /** Rejects with `unauthenticated` for a token that Consul does not know, with `unavailable` where it has no leader. */
  async check(token: string | undefined): Promise<void> {
    const leader = await this.#http.ask({ path: '/v1/status/leader' });
    if (leader.status !== 200) throw this.#refusal(leader);
    if (leader.body === '') throw new OctavoError('unavailable', 'it has elected no leader yet');
    if (token === undefined) return;
    const self = await this.#http.ask({ path: '/v1/acl/token/self' });
    // 401 says that there are no tokens at all.
    if (self.status !== 200 && self.status !== 401) throw this.#refusal(self);
  }

  /**
   * Under which id Consul has, or would have, a node: its own, where no other service has that already.
   *
   * Consul's ids are unique among all services of an agent, those of nodes within their service.
   */
  async idOf(service: string, id: string): Promise<string> {
    const answer = await this.#http.ask({ path: `/v1/agent/service/${encodeURIComponent(id)}` });
    if (answer.status === 404) return id;
    if (answer.status !== 200 || !isObject(answer.body)) throw this.#refusal(answer);
    return answer.body['Service'] === service ? id : `${service}/${id}`;
  }

  async register(record: NodeRecord, id: string, ttlMs: number | undefined): Promise<void> {
    const { service, node } = record;
    const { host, port } = placeOf(node.address);
    const after = Math.max(ttlMs ?? 0, FORGOTTEN_AFTER_MS.least) + FORGOTTEN_AFTER_MS.more;
    const check = { TTL: `${ttlMs}ms`, DeregisterCriticalServiceAfter: `${after}ms`, Status: 'passing' };
    const body = {
      ID: id,
      Name: service.name,
      Address: host,
      Port: port,
      Tags: writeTags(record, id),
      ...(ttlMs !== undefined && { Check: check }),
    };
    await this.#put('/v1/agent/service/register?replace-existing-checks=true', body);
    // A check that was never passed comes back critical when the agent is restarted.
    if (ttlMs !== undefined) await this.pass(id);
  }

  /** Renews an instance; `false` where there is none. */
  async pass(id: string): Promise<boolean> {
    return this.#put(`/v1/agent/check/pass/${encodeURIComponent(`service:${id}`)}`);
  }

  /** Whether there is an instance. */
  async has(service: string, id: string): Promise<boolean> {
    const answer = await this.#http.ask({ path: `/v1/agent/service/${encodeURIComponent(id)}` });
    if (answer.status === 404) return false;
    if (answer.status !== 200 || !isObject(answer.body)) throw this.#refusal(answer);
    return answer.body['Service'] === service;
  }

  /** Resolves when there is no such instance any more. Rejects when that cannot be told. */
  async gone(id: string, signal: AbortSignal): Promise<void> {
    const path = `/v1/agent/service/${encodeURIComponent(id)}`;
    for (let hash: string | undefined; !signal.aborted;) {
      const query = hash === undefined ? '' : `?hash=${hash}&wait=${WAIT_S}s`;
      const answer = await this.#http.wait({ path: path + query, timeoutMs: LONGEST_WAIT_MS, signal });
      if (answer?.status === 404) return;
      if (answer !== undefined && answer.status !== 200) throw this.#refusal(answer);
      const before = hash;
      hash = answer && String(answer.headers['x-consul-contenthash']);
      if (answer !== undefined && before !== undefined) await this.#clock.sleep(SOON_MS, signal);
    }
  }

  async deregister(id: string): Promise<void> {
    await this.#put(`/v1/agent/service/deregister/${encodeURIComponent(id)}`);
  }

  /** The healthy instances of a service, once its index is another than this one; `undefined` where there was no answer in time. */
  async healthy(
    service: string,
    index: number,
    signal?: AbortSignal,
  ): Promise<Indexed<NodeRecord[]> | undefined> {
    const path = `/v1/health/service/${encodeURIComponent(service)}?passing=1`;
    const answer = await this.#read(path, index, signal);
    if (answer === undefined) return undefined;
    const tags = new TagReader();
    const found = answer.found.flatMap((entry) => recordIn(entry, service, tags) ?? []);
    return { found, index: answer.index };
  }

  /** The names of go-micro's services, healthy or not. */
  async names(index: number, signal?: AbortSignal): Promise<Indexed<string[]> | undefined> {
    const answer = await this.#ask('/v1/catalog/services?', index, signal);
    if (answer === undefined) return undefined;
    if (!isObject(answer.body)) throw this.#refusal(answer);
    const named = Object.entries(answer.body).filter(([, tags]) => Array.isArray(tags) && hasVersion(tags));
    return { found: named.map(([name]) => name), index: indexOf(answer) };
  }

  /** The names of services with an instance that is not well; an empty one for whole machines. */
  async critical(index: number, signal?: AbortSignal): Promise<Indexed<Set<string>> | undefined> {
    const answer = await this.#read('/v1/health/state/critical?', index, signal);
    if (answer === undefined) return undefined;
    const names = answer.found.map((check) => (isObject(check) ? String(check['ServiceName']) : ''));
    return { found: new Set(names), index: answer.index };
  }

  async #read(path: string, index: number, signal?: AbortSignal): Promise<Indexed<unknown[]> | undefined> {
    const answer = await this.#ask(path, index, signal);
    if (answer === undefined) return undefined;
    if (!Array.isArray(answer.body)) throw this.#refusal(answer);
    return { found: answer.body, index: indexOf(answer) };
  }

  /** At once with index 0, else when there is something new. */
  async #ask(path: string, index: number, signal?: AbortSignal): Promise<JsonAnswer | undefined> {
    const whole = path + this.#query;
    const answer =
      index === 0
        ? await this.#http.ask({ path: whole, ...(signal && { signal }) })
        : await this.#http.wait({
            path: `${whole}&index=${index}&wait=${WAIT_S}s`,
            timeoutMs: LONGEST_WAIT_MS,
            ...(signal && { signal }),
          });
    if (answer !== undefined && answer.status !== 200) throw this.#refusal(answer);
    return answer;
  }

  /** `false` where it is about something that is not there. */
  async #put(path: string, body?: unknown): Promise<boolean> {
    const answer = await this.#http.ask({ method: 'PUT', path, ...(body !== undefined && { body }) });
    if (answer.status !== 200 && answer.status !== 404) throw this.#refusal(answer);
    return answer.status === 200;
  }

  #refusal({ status, body }: JsonAnswer): OctavoError {
    const at = `Consul at ${this.#http.where}`;
    const said = typeof body === 'string' && body !== '' ? `: ${body.slice(0, 200)}` : '';
    if (status === 403 && said.includes('ACL not found'))
      return new OctavoError('unauthenticated', `${at} refused the consul registry: wrong token`);
    if (status === 403)
      return new OctavoError(
        'permission_denied',
        `${at} does not let the consul registry do this: set a token with service:write, service:read and node:read${said}`,
      );
    if (status === 400)
      return new OctavoError('invalid_argument', `${at} does not take what the consul registry asks${said}`);
    return new OctavoError('unavailable', `${at} answered the consul registry with ${status}${said}`);
  }
}

/** An index that went back is of a Consul that began anew: everything is new. */
export function nextIndex(before: number, { index }: { readonly index: number }): number {
  return index < before ? 0 : index;
}

function indexOf({ headers }: JsonAnswer): number {
  const index = Number(headers['x-consul-index']);
  return Number.isFinite(index) ? Math.max(1, index) : 1;
}

/** A queue's name has no port. */
function placeOf(address: string): { host: string; port: number } {
  try {
    return parseAddress(address);
  } catch {
    return { host: address, port: 0 };
  }
}

function recordIn(entry: unknown, name: string, tags: TagReader): NodeRecord | undefined {
  if (!isObject(entry) || !isObject(entry['Service'])) return undefined;
  const { ID: consulId, Service: service, Tags: all, Address: own, Port: port } = entry['Service'];
  const machine = isObject(entry['Node']) ? entry['Node']['Address'] : undefined;
  const host = own === '' || own === undefined ? machine : own;
  const tagged = Array.isArray(all) ? tags.read(all) : undefined;
  if (tagged === undefined || service !== name || typeof consulId !== 'string' || typeof host !== 'string')
    return undefined;
  const { version, endpoints, metadata, serviceMetadata, id = consulId } = tagged;
  const address =
    typeof port === 'number' && (port > 0 || isIP(host) !== 0) ? formatAddress(host, port) : host;
  return {
    service: { name, version, metadata: serviceMetadata, endpoints },
    node: { id, address, metadata },
  };
}
