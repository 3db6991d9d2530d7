import type { Facts, NodeRecord } from './node-record.js';
import type { EndpointRecord, Node, ServiceRecord, Value } from './registry.js';

/** Characters of a record that are read at most: go-micro's have a few thousand. */
const LONGEST = 1024 * 1024;
/** How deep the shapes of requests and replies are read. go-micro's end at 3; whatever walks them recurses. */
const DEEPEST = 8;

/** Writes the record of a node as go-micro does: a service of one node. Source: go-micro v4.11 `registry/registry.go`. */
export function writeRecord({ service, node }: NodeRecord): string {
  const { name, version, metadata, endpoints } = service;
  return JSON.stringify({ name, version, metadata, endpoints, nodes: [node] });
}

/** The nodes of a record that go-micro, or anybody, wrote; none of anything that is no record. */
export function readRecord(text: string): readonly NodeRecord[] {
  if (text.length > LONGEST) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  return readService(value);
}

/** The nodes of a record in what was parsed; none of anything that is no record. */
export function readService(value: unknown): readonly NodeRecord[] {
  if (!isObject(value)) return [];
  const service = readFacts(value);
  if (service === undefined) return [];
  return listOf(value['nodes'], readNode).map((node) => ({ service, node }));
}

/** go-micro's watchers pass over records without a version, and so does this. */
function readFacts(value: Readonly<Record<string, unknown>>): Facts | undefined {
  const { name, version } = value;
  if (typeof name !== 'string' || typeof version !== 'string' || name === '' || version === '')
    return undefined;
  return {
    name,
    version,
    metadata: readMetadata(value['metadata']),
    endpoints: readEndpoints(value['endpoints']),
  };
}

function readNode(value: unknown): Node | undefined {
  if (!isObject(value)) return undefined;
  const { id, address } = value;
  if (typeof id !== 'string' || typeof address !== 'string' || id === '') return undefined;
  return { id, address, metadata: readMetadata(value['metadata']) };
}

/** Metadata of a record; what is no text is left out. Go writes `null` for what it has not, at every place. */
export function readMetadata(value: unknown): ServiceRecord['metadata'] {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}

/** Endpoints of a record; what is none is left out. */
export function readEndpoints(value: unknown): readonly EndpointRecord[] {
  return listOf(value, readEndpoint);
}

export function readEndpoint(value: unknown): EndpointRecord | undefined {
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

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
