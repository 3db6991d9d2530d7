import { OctavoError, type Code } from '../../core/error.js';
import { JsonHttp, type JsonAnswer, type JsonHttpParts } from '../../core/json-http.js';
import type { DialTls } from '../../core/tls.js';
import { isObject } from '../record-json.js';
import { metadataOf } from './pods.js';
import type { ServiceAccount } from './service-account.js';

export interface ApiOptions {
  readonly addresses: readonly string[];
  readonly tls: DialTls | undefined;
  readonly account: ServiceAccount;
  readonly timeoutMs: number;
}

/** A kind of object that is listed and watched. */
export interface Resource {
  /** `/api/v1/namespaces/shop/pods` */
  readonly path: string;
  readonly selector: string;
}

/** What a list says: its objects, and from where on a watch tells what has changed since. */
export interface Listed {
  readonly items: readonly unknown[];
  readonly version: string;
}

/** A change that a watch tells. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: unknown;
}

/** Objects of one answer; a longer list comes in several. */
const PAGE = 1_000;
/** How many answers a list may have. */
const MOST_PAGES = 200;
/** After how many seconds the server ends a watch, in order. */
const WATCH_S = 30;
/** What a watch that says nothing has on top of that, in milliseconds. */
const GRACE_MS = 5_000;
const LONGEST_MESSAGE = 500;

const CODES: Readonly<Record<number, Code>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  409: 'aborted',
  413: 'resource_exhausted',
  422: 'invalid_argument',
  429: 'resource_exhausted',
};

/** The Kubernetes API, as far as a registry needs it. */
export class KubernetesApi {
  readonly #http: JsonHttp;
  readonly #account: ServiceAccount;
  readonly #parts: JsonHttpParts;

  constructor({ addresses, tls, account, timeoutMs }: ApiOptions, parts: JsonHttpParts) {
    this.#parts = parts;
    this.#account = account;
    const headers = async (): Promise<Readonly<Record<string, string>>> => {
      const token = await account.token();
      return token === undefined ? {} : { authorization: `Bearer ${token}` };
    };
    const options = { addresses, port: 443, timeoutMs, headers, ...(tls && { tls }) };
    this.#http = new JsonHttp('the kubernetes registry', options, parts);
  }

  /** Its servers, without credentials. */
  get where(): string {
    return this.#http.where;
  }

  start(): Promise<void> {
    return this.#http.start();
  }

  stop(): void {
    this.#http.stop();
  }

  /** Changes an object by a merge patch. */
  async patch(path: string, body: unknown): Promise<void> {
    const headers = { 'content-type': 'application/merge-patch+json' };
    const answer = await this.#http.ask({ method: 'PATCH', path, body, headers });
    if (answer.status !== 200) throw this.#refusal(answer);
  }

  /** Everything there is; with `limit`, no more than so much. */
  async list({ path, selector }: Resource, limit?: number): Promise<Listed> {
    const items: unknown[] = [];
    const query = { labelSelector: selector, limit: String(limit ?? PAGE) };
    let more: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const params = new URLSearchParams(more === undefined ? query : { ...query, continue: more });
      const answer = await this.#http.ask({ path: `${path}?${params.toString()}` });
      if (answer.status !== 200) throw this.#refusal(answer);
      const found = isObject(answer.body) ? answer.body['items'] : undefined;
      if (Array.isArray(found)) for (const each of found) items.push(each);
      const { continue: next, resourceVersion } = metadataOf(answer.body);
      more = typeof next === 'string' && next !== '' ? next : undefined;
      if (more === undefined || limit !== undefined)
        return { items, version: typeof resourceVersion === 'string' ? resourceVersion : '' };
    }
    throw new OctavoError(
      'resource_exhausted',
      `the Kubernetes API server at ${this.where} has a list of more than ${MOST_PAGES} pages`,
    );
  }

  /** What changes from a version on, without an end. Whatever breaks it off is an error: there has to be a new list. */
  async *watch({ path, selector }: Resource, from: string, signal: AbortSignal): AsyncGenerator<Change> {
    const { clock } = this.#parts;
    for (let version = from; ;) {
      const params = new URLSearchParams({
        watch: '1',
        labelSelector: selector,
        resourceVersion: version,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(WATCH_S),
      });
      const began = clock.now();
      const lines = this.#http.lines(
        {
          path: `${path}?${params.toString()}`,
          waits: true,
          timeoutMs: WATCH_S * 1_000 + GRACE_MS,
          signal,
        },
        (answer) => {
          throw this.#refusal(answer);
        },
      );
      for await (const line of lines) {
        const { type, object } = isObject(line) ? line : {};
        const { resourceVersion } = metadataOf(object);
        if (type === 'ERROR') throw this.#broken(object);
        if (typeof resourceVersion === 'string') version = resourceVersion;
        if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') yield { type, object };
      }
      // A server that goes away ends its watches in order too. What it has when it is back is not known.
      if (clock.now() - began < WATCH_S * 900)
        throw new OctavoError('unavailable', `the Kubernetes API server at ${this.where} ended a watch`);
    }
  }

  #broken(status: unknown): OctavoError {
    return new OctavoError(
      'unavailable',
      `the Kubernetes API server at ${this.where} broke a watch off: ${messageOf(status)}`,
    );
  }

  #refusal({ status, body }: JsonAnswer): OctavoError {
    const code = CODES[status] ?? (status >= 500 ? 'unavailable' : 'internal');
    const who = `the Kubernetes API server at ${this.where}`;
    if (code === 'unauthenticated') {
      this.#account.refused();
      return new OctavoError(code, `${who} does not know us: the token is wrong or has expired`);
    }
    const said = `${who} answers ${status}: ${messageOf(body)}`;
    return new OctavoError(
      code,
      code === 'permission_denied'
        ? `${said}: give its account the Role of docs/providers/kubernetes.md`
        : said,
    );
  }
}

function messageOf(status: unknown): string {
  const said = isObject(status) ? status['message'] : status;
  return String(typeof said === 'string' ? said : 'no reason').slice(0, LONGEST_MESSAGE);
}
