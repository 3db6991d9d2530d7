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
/** Bytes of JSON that one packet's payloads may be together: packed, a thousandth of it. go-micro's, with one node, are a tenth of this. */
const MOST_JSON = 128 * 1024;
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

/** Unpacks the payloads of one packet. */
export class Unpacker {
  #left = MOST_JSON;

  /** `undefined` for anything that is none, or is more than what is left for its packet. */
  unpack(strings: readonly Uint8Array[]): Payload | undefined {
    const packed = packedIn(strings);
    if (packed === undefined || this.#left === 0) return undefined;
    let json: Buffer;
    try {
      json = inflateSync(packed, { maxOutputLength: this.#left });
    } catch (reason) {
      // Unpacking what is too large costs as much as if it had fitted.
      if (reason instanceof RangeError) this.#left = 0;
      return undefined;
    }
    this.#left -= json.length;
    try {
      return readPayload(JSON.parse(json.toString('utf8')));
    } catch {
      return undefined;
    }
  }
}

function packedIn(strings: readonly Uint8Array[]): Buffer | undefined {
  const hex = strings.map((each) => Buffer.from(each).toString('latin1')).join('');
  if (hex.length === 0 || hex.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(hex)) return undefined;
  return Buffer.from(hex, 'hex');
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
