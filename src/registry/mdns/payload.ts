import { deflateSync, inflateSync } from 'node:zlib';
import { isObject, readEndpoints, readMetadata } from '../record-json.js';
import type { EndpointRecord } from '../registry.js';

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
  return {
    service,
    version,
    metadata: readMetadata(members.get('metadata')),
    endpoints: readEndpoints(members.get('endpoints')),
  };
}
