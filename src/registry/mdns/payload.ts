import { deflateSync, inflateSync } from 'node:zlib';
import type { EndpointRecord, Value } from '../registry.js';

/** What the TXT record of a node says beside its name and address. */
export interface Payload {
  readonly service: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly EndpointRecord[];
}

/** Bytes that one string of a TXT record holds. */
const PIECE = 255;
/** Bytes of JSON that are unpacked at most: a packet of 64 KB can hold a thousand times its size. */
const MOST_JSON = 64 * 1024;
/** Characters of a version that are read at most: it is remembered of every node. */
export const LONGEST_VERSION = 255;
/** How deep the shapes of requests and replies are read. go-micro's end at 3; whatever walks them recurses. */
const DEEPEST = 8;

/**
 * Packs a payload as go-micro does: JSON, zlib, hex, cut into strings of 255.
 *
 * Source: go-micro v4.11 `registry/mdns_registry.go`, `encode`.
 */
export function packPayload(payload: Payload): string[] {
  const hex = deflateSync(jsonOf(payload)).toString('hex');
  return hex.match(new RegExp(`.{1,${PIECE}}`, 'g')) ?? [];
}

/** Whether others read it. */
export function payloadFits(payload: Payload): boolean {
  return Buffer.byteLength(jsonOf(payload)) <= MOST_JSON;
}

function jsonOf({ service, version, metadata, endpoints }: Payload): string {
  return JSON.stringify({ Metadata: metadata, Service: service, Version: version, Endpoints: endpoints });
}

/** Unpacks a payload. `undefined` for anything that is none, however large it says it is. */
export function unpackPayload(strings: readonly Uint8Array[]): Payload | undefined {
  const hex = strings.map((each) => Buffer.from(each).toString('latin1')).join('');
  if (hex.length === 0 || hex.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(hex)) return undefined;
  try {
    const json = inflateSync(Buffer.from(hex, 'hex'), { maxOutputLength: MOST_JSON }).toString('utf8');
    return readPayload(JSON.parse(json));
  } catch {
    return undefined;
  }
}

function readPayload(value: unknown): Payload | undefined {
  if (!isObject(value)) return undefined;
  // Go reads names without regard to case.
  const members = new Map(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]));
  const service = members.get('service');
  const version = members.get('version');
  if (typeof service !== 'string' || typeof version !== 'string') return undefined;
  if (version === '' || version.length > LONGEST_VERSION) return undefined;
  const endpoints = members.get('endpoints');
  return {
    service,
    version,
    metadata: readMetadata(members.get('metadata')),
    endpoints: listOf(endpoints, readEndpoint),
  };
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}

/** Go writes `null` for what it has not, at every place. */
function readEndpoint(value: unknown): EndpointRecord | undefined {
  if (!isObject(value) || typeof value['name'] !== 'string') return undefined;
  const request = readValue(value['request'], 1);
  const response = readValue(value['response'], 1);
  return {
    name: value['name'],
    ...(request && { request }),
    ...(response && { response }),
    metadata: readMetadata(value['metadata']),
  };
}

function readValue(value: unknown, depth: number): Value | undefined {
  if (!isObject(value) || typeof value['name'] !== 'string' || typeof value['type'] !== 'string')
    return undefined;
  const values = depth < DEEPEST ? listOf(value['values'], (each) => readValue(each, depth + 1)) : [];
  return { name: value['name'], type: value['type'], values };
}

function listOf<T>(value: unknown, read: (each: unknown) => T | undefined): T[] {
  if (!Array.isArray(value)) return [];
  return value.map(read).filter((each) => each !== undefined);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
