import type { NodeRecord } from '../node-record.js';
import { isObject, readService } from '../record-json.js';

/** A node, and for how long it is known without being renewed, in milliseconds. */
export interface Registered extends NodeRecord {
  readonly ttlMs: number | undefined;
}

/** What tells a node from all others, whatever its version. */
export function keyOf({ service, node }: NodeRecord): string {
  return JSON.stringify([service.name, node.id]);
}

/** A node as watchers and callers know it. */
export function recordOf({ service, node }: NodeRecord): NodeRecord {
  return { service, node };
}

/** What somebody says of nodes of one version. */
export interface Change {
  readonly action: 'put' | 'delete';
  readonly nodes: readonly Registered[];
  /** Of the message. */
  readonly bytes: number;
}

/** Bytes of the nodes in one message that is written, where they can be divided. */
const MOST_BYTES = 128 * 1024;
/** Bytes of what stands around the nodes and the head of a service. */
const ACTION_ROOM = 64;
/** Bytes of one message that is read. */
const LONGEST = 1024 * 1024;
/** The longest time that is believed, in milliseconds; then the node is asked for. */
const LONGEST_TTL_MS = 3_600_000;

/**
 * Services as go-micro's nats registry writes them: one message for each version, or several where it has many nodes.
 *
 * An Octavo node says beside it for how long it is known, which go-micro passes over. Source: go-micro plugins v4 `registry/nats/nats.go`.
 */
export function writeServices(nodes: Iterable<Registered>, maxPayload: number): Buffer[] {
  return services(nodes, maxPayload).map((text) => Buffer.from(text));
}

/** What everybody is told when nodes come, change or are renewed, or go. */
export function writeChange(
  action: 'create' | 'delete',
  nodes: Iterable<Registered>,
  maxPayload: number,
): Buffer[] {
  return services(nodes, maxPayload).map((text) => Buffer.from(`{"Service":${text},"Action":"${action}"}`));
}

/** Asks all for the nodes of a service, or for all that there are. */
export function writeQuestion(name: string | undefined): Buffer {
  const Service =
    name === undefined ? null : { name, version: '', metadata: null, endpoints: null, nodes: null };
  return Buffer.from(JSON.stringify({ Service, Action: name === undefined ? 'list' : 'get' }));
}

/** An answer: that these nodes of one version are there; none in anything else. */
export function readAnswer(data: Uint8Array): Change {
  return { action: 'put', nodes: readNodes(parse(data)), bytes: data.length };
}

/** What was told; `undefined` for anything else. */
export function readChange(data: Uint8Array): Change | undefined {
  const value = parse(data);
  if (value === undefined) return undefined;
  const nodes = readNodes(value['Service']);
  if (nodes.length === 0) return undefined;
  const action = value['Action'];
  const bytes = data.length;
  if (action === 'delete') return { action, nodes, bytes };
  // go-micro lets its users call it any of these.
  return action === 'create' || action === 'update' || action === 'put'
    ? { action: 'put', nodes, bytes }
    : undefined;
}

/** The name that is asked for; all without one. `undefined` for what is no question. */
export function readQuestion(data: Uint8Array): { readonly name: string | undefined } | undefined {
  const value = parse(data);
  if (value?.['Action'] === 'list') return { name: undefined };
  const service = value?.['Service'];
  if (value?.['Action'] !== 'get' || !isObject(service) || typeof service['name'] !== 'string')
    return undefined;
  return { name: service['name'] };
}

/** @param maxPayload bytes of the largest message that the server takes */
function services(nodes: Iterable<Registered>, maxPayload: number): string[] {
  const most = Math.min(MOST_BYTES, maxPayload - ACTION_ROOM);
  const written: { readonly head: string; readonly nodes: string[]; bytes: number }[] = [];
  const open = new Map<string, (typeof written)[number]>();
  for (const { service, node, ttlMs } of nodes) {
    const { name, version, metadata, endpoints } = service;
    const head = JSON.stringify({ name, version, metadata, endpoints }).slice(0, -1);
    const text = JSON.stringify(ttlMs === undefined ? node : { ...node, ttlMs });
    const bytes = Buffer.byteLength(text) + 1;
    const last = open.get(head);
    if (last === undefined || last.bytes + bytes > most) {
      const fresh = { head, nodes: [text], bytes: Buffer.byteLength(head) + bytes };
      open.set(head, fresh);
      written.push(fresh);
    } else {
      last.nodes.push(text);
      last.bytes += bytes;
    }
  }
  return written.map(({ head, nodes: texts }) => `${head},"nodes":[${texts.join()}]}`);
}

function readNodes(value: unknown): readonly Registered[] {
  const records = readService(value);
  if (records.length === 0 || !isObject(value) || !Array.isArray(value['nodes'])) return [];
  const ttls = new Map<unknown, unknown>();
  for (const node of value['nodes']) if (isObject(node)) ttls.set(node['id'], node['ttlMs']);
  return records.map((record) => ({ ...record, ttlMs: ttlIn(ttls.get(record.node.id)) }));
}

function ttlIn(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? Math.min(value, LONGEST_TTL_MS) : undefined;
}

function parse(data: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  if (data.length > LONGEST) return undefined;
  try {
    const value: unknown = JSON.parse(
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'),
    );
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
