import { deflateSync, inflateSync } from 'node:zlib';
import type { NodeRecord } from '../node-record.js';
import { isObject, readEndpoint, readMetadata } from '../record-json.js';
import type { EndpointRecord } from '../registry.js';

/** Bytes that one tag may be, unpacked, and all those of one answer: packed, a thousandth of it. */
const MOST_BYTES = 64 * 1024;
const MOST_BYTES_TOGETHER = 64 * 1024 * 1024;

/** What the tags of a service instance say. */
export interface Tagged {
  readonly version: string;
  /** Where it is not the id that Consul has. */
  readonly id: string | undefined;
  readonly endpoints: readonly EndpointRecord[];
  /** The node's. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The service's, of which go-micro's tags say nothing. */
  readonly serviceMetadata: Readonly<Record<string, string>>;
}

/**
 * Writes a node as go-micro does, in tags: a letter that says what it is, and hex of zlib.
 *
 * `e` for each endpoint, `t` for each pair of metadata, `v` for the version; what go-micro passes over are `i`, an id that Consul has under
 * another one, and `m`, the service's metadata. Source: go-micro's plugins, `v4/registry/consul/encoding.go`.
 */
export function writeTags({ service, node }: NodeRecord, consulId: string): string[] {
  const { metadata, endpoints, version } = service;
  return [
    ...Object.entries(node.metadata).map(([name, value]) => pack('t', JSON.stringify({ [name]: value }))),
    ...endpoints.map((endpoint) => pack('e', JSON.stringify(endpoint))),
    pack('v', version),
    ...(consulId === node.id ? [] : [pack('i', node.id)]),
    ...(Object.keys(metadata).length === 0 ? [] : [pack('m', JSON.stringify(metadata))]),
  ];
}

/** Whether these are the tags of a service of go-micro's, which has a version. */
export function hasVersion(tags: readonly unknown[]): boolean {
  return tags.some((tag) => typeof tag === 'string' && /^v[-=]./.test(tag));
}

/** Reads the tags of one answer of Consul's. Most nodes of a service have most of them in common, so each is unpacked once. */
export class TagReader {
  readonly #known = new Map<string, string | undefined>();
  #left = MOST_BYTES_TOGETHER;

  /** `undefined` for what has no version, and so is no service of go-micro's. What cannot be read is left out. */
  read(tags: readonly unknown[]): Tagged | undefined {
    const said = new Map<string, string[]>();
    for (const tag of tags) {
      const text = typeof tag === 'string' ? this.#unpack(tag) : undefined;
      if (typeof tag !== 'string' || text === undefined) continue;
      const kind = tag.slice(0, 1);
      const others = said.get(kind);
      if (others === undefined) said.set(kind, [text]);
      else others.push(text);
    }
    const version = said.get('v')?.[0];
    if (version === undefined || version === '') return undefined;
    const pairs = (said.get('t') ?? []).flatMap((text) => Object.entries(readMetadata(parsed(text))));
    return {
      version,
      id: said.get('i')?.[0],
      endpoints: (said.get('e') ?? [])
        .map((text) => readEndpoint(parsed(text)))
        .filter((each) => each !== undefined),
      metadata: Object.fromEntries(pairs),
      serviceMetadata: readMetadata(parsed(said.get('m')?.[0] ?? '')),
    };
  }

  /** The text of a tag, `e-` and hex of zlib, or `e=` and plain as go-micro once wrote. */
  #unpack(tag: string): string | undefined {
    if (this.#known.has(tag)) return this.#known.get(tag);
    const text = /^[etvim]=/.test(tag) ? tag.slice(2) : this.#inflate(tag);
    this.#known.set(tag, text);
    return text;
  }

  #inflate(tag: string): string | undefined {
    const hex = /^[etvim]-((?:[0-9a-f]{2})+)$/i.exec(tag)?.[1];
    if (hex === undefined || this.#left <= 0) return undefined;
    // What unpacks to too much costs as much as if it had been taken.
    let cost = MOST_BYTES;
    try {
      const bytes = inflateSync(Buffer.from(hex, 'hex'), { maxOutputLength: MOST_BYTES });
      cost = bytes.length;
      return bytes.toString('utf8');
    } catch {
      return undefined;
    } finally {
      this.#left -= cost;
    }
  }
}

function pack(kind: string, text: string): string {
  return `${kind}-${deflateSync(text).toString('hex')}`;
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
