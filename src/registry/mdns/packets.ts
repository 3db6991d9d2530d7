import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { AUTHORITATIVE_ANSWER, decode, encode, type Answer, type DecodedPacket } from 'dns-packet';
import { formatAddress, parseAddress } from '../../core/address.js';
import { OctavoError } from '../../core/error.js';
import type { Node, ServiceRecord } from '../registry.js';
import { LONGEST_VERSION, packPayload, payloadFits, Unpacker, type Payload } from './payload.js';

/** go-micro's seconds to live of every record. */
const TTL = 120;
/** Bytes of the longest packet that is sent: RFC 6762 section 17. */
const LONGEST_PACKET = 9_000;
/** How many questions and records of a packet are read, and how many nodes. go-micro's packets have four records and one node. */
const MOST_RECORDS = 256;
const MOST_NODES = 16;
/** Bytes of a packet's head, which ends with four counts of 16 bits each. */
const HEAD = 12;
/** Bytes that a label of a DNS name holds. */
const LONGEST_LABEL = 63;

/** One node of one version of a service, as it is announced. */
export interface Announcement {
  readonly service: ServiceRecord;
  readonly node: Node;
}

/** What a packet says of a node. */
export interface Heard extends Announcement {
  /** Whether the node says that it goes. */
  readonly goodbye: boolean;
  /** The same for the same announcement. */
  readonly digest: string;
  /** About how much of memory it takes. */
  readonly bytes: number;
}

export function heard(announcement: Announcement, goodbye: boolean): Heard {
  const text = JSON.stringify([announcement.service, announcement.node]);
  const digest = createHash('sha1').update(text).digest('base64');
  return { ...announcement, goodbye, digest, bytes: text.length };
}

/** How the names of one domain are made: `<node>.<service>.<domain>`. */
export class Names {
  readonly domain: string;

  constructor(domain: string) {
    this.domain = domain;
  }

  service(name: string): string {
    return `${name}.${this.domain}`;
  }
  node({ service, node }: Announcement): string {
    return `${node.id}.${service.name}.${this.domain}`;
  }
  get list(): string {
    return `_services.${this.domain}`;
  }
  get dnsSd(): string {
    return `_services._dns-sd._udp.${this.domain}`;
  }

  /** @throws `invalid_argument` for a node whose name no DNS packet can hold */
  check(announcement: Announcement): void {
    const name = this.node(announcement);
    const long = name.split('.').find((label) => Buffer.byteLength(label) > LONGEST_LABEL || label === '');
    const { service } = announcement;
    if (service.version.length > LONGEST_VERSION)
      throw new OctavoError(
        'invalid_argument',
        `the version of the service "${service.name}" is longer than ${LONGEST_VERSION} characters: give it a shorter one`,
      );
    if (long !== undefined || Buffer.byteLength(name) > 253)
      throw new OctavoError(
        'invalid_argument',
        `the node "${announcement.node.id}" cannot be announced by mdns, which holds ${LONGEST_LABEL} bytes between two dots: give the server a shorter name or id`,
      );
  }
}

/** The records of a node, in the order that go-micro reads them: A right behind its SRV. */
export function nodeRecords(names: Names, announcement: Announcement, host: string, ttl = TTL): Answer[] {
  const { node } = announcement;
  if (!node.address.includes(':'))
    throw new OctavoError(
      'invalid_argument',
      `the node "${node.id}" has the address ${node.address}: mdns tells of IP addresses and ports, so this transport needs another registry`,
    );
  const { host: address, port } = parseAddress(node.address);
  const family = isIP(address);
  if (family === 0)
    throw new OctavoError(
      'invalid_argument',
      `the node "${node.id}" has the address ${node.address}: mdns needs an IP address, not a name`,
    );
  const name = names.node(announcement);
  return [
    { name, type: 'SRV', ttl, data: { priority: 10, weight: 1, port, target: host } },
    { name: host, type: family === 4 ? 'A' : 'AAAA', ttl, data: address },
    { name, type: 'TXT', ttl, data: packPayload(payloadOf(announcement)) },
  ];
}

function payloadOf({ service, node }: Announcement): Payload {
  const { name, version, endpoints } = service;
  return { service: name, version, metadata: node.metadata, endpoints };
}

/** The answer to a question for a service: one node, with the question repeated, as go-micro wants both. */
export function answerPacket(
  question: string,
  type: 'PTR' | 'ANY',
  announcement: Announcement,
  names: Names,
  host: string,
): Buffer {
  const pointer: Answer = { name: question, type: 'PTR', ttl: TTL, data: names.node(announcement) };
  return response([pointer, ...nodeRecords(names, announcement, host)], { name: question, type });
}

/** The answer to "which services are there" for one of them. */
export function listPacket(service: string, names: Names, host: string): Buffer {
  const name = `${service}.${names.list}`;
  return response(
    [
      { name: names.list, type: 'PTR', ttl: TTL, data: name },
      { name, type: 'SRV', ttl: TTL, data: { priority: 10, weight: 1, port: 9_999, target: host } },
      { name: host, type: 'A', ttl: TTL, data: '0.0.0.0' },
      { name, type: 'TXT', ttl: TTL, data: [] },
    ],
    { name: names.list, type: 'PTR' },
  );
}

/** Tells everybody of a node that came or changed, or, with `goodbye`, that goes. */
export function announcePacket(
  announcement: Announcement,
  names: Names,
  host: string,
  goodbye: boolean,
): Buffer {
  return encode({
    id: 0,
    type: 'response',
    answers: nodeRecords(names, announcement, host, goodbye ? 0 : TTL),
  });
}

/** Asks for what has a name. */
export function questionPacket(name: string, id: number): Buffer {
  return encode({ id, type: 'query', questions: [{ name, type: 'PTR', class: 'IN' }] });
}

export function response(
  answers: Answer[],
  question: { name: string; type: 'PTR' | 'ANY' | 'SRV' | 'TXT' },
): Buffer {
  // The library writes ANY, but its types leave it out.
  const repeated = question as { name: string; type: 'PTR' };
  return encode({ id: 0, type: 'response', flags: AUTHORITATIVE_ANSWER, questions: [repeated], answers });
}

/**
 * The announcement as it fits one packet: without the schemas of endpoints where they are too much.
 *
 * @throws `invalid_argument` where it does not fit without them either
 */
export function fitting(
  announcement: Announcement,
  names: Names,
  host: string,
): { announcement: Announcement; cut: boolean } {
  const fits = (each: Announcement): boolean =>
    payloadFits(payloadOf(each)) &&
    answerPacket(names.service(each.service.name), 'PTR', each, names, host).length <= LONGEST_PACKET;
  if (fits(announcement)) return { announcement, cut: false };
  const endpoints = announcement.service.endpoints.map(({ name, metadata }) => ({ name, metadata }));
  const shorter = { ...announcement, service: { ...announcement.service, endpoints } };
  if (fits(shorter)) return { announcement: shorter, cut: true };
  throw new OctavoError(
    'invalid_argument',
    `the node "${announcement.node.id}" does not fit one mdns packet of ${LONGEST_PACKET} bytes: give it less metadata, or use another registry`,
  );
}

/** A packet, or `undefined` for bytes that are none. */
export function readPacket(bytes: Buffer): DecodedPacket | undefined {
  if (bytes.length < HEAD) return undefined;
  let records = 0;
  for (let at = 4; at < HEAD; at += 2) records += bytes.readUInt16BE(at);
  if (records > MOST_RECORDS) return undefined;
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

/** The nodes in a packet. Records of other domains, and those that do not add up to a node, are passed over. */
export function heardIn(packet: DecodedPacket, names: Names): Heard[] {
  const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])];
  const found: Heard[] = [];
  const unpacker = new Unpacker();
  let tried = 0;
  for (const [at, record] of records.entries()) {
    if (record.type !== 'SRV' || !record.name.endsWith(`.${names.domain}`)) continue;
    // Unpacking costs far more than a record's bytes.
    if (++tried > MOST_NODES) break;
    const { port, target } = record.data;
    // Nodes may share a host name: the address meant is the nearest one behind.
    const behind = [...records.slice(at), ...records.slice(0, at)];
    const address = behind.find(
      (each) => (each.type === 'A' || each.type === 'AAAA') && each.name === target,
    );
    const text = records.find((each) => each.type === 'TXT' && each.name === record.name);
    if (address?.type !== 'A' && address?.type !== 'AAAA') continue;
    const payload = text?.type === 'TXT' ? unpacker.unpack(stringsOf(text.data)) : undefined;
    if (payload === undefined) continue;
    const suffix = `.${names.service(payload.service)}`;
    if (!record.name.endsWith(suffix)) continue;
    const { service: name, version, metadata, endpoints } = payload;
    const node = {
      id: record.name.slice(0, -suffix.length),
      address: formatAddress(address.data, port),
      metadata,
    };
    const service = { name, version, metadata: {}, endpoints, nodes: [] };
    found.push(heard({ service, node }, record.ttl === 0));
  }
  return found;
}

/** The names of services in the answer to "which are there". */
export function listedIn(packet: DecodedPacket, names: Names): string[] {
  const suffix = `.${names.list}`;
  return (packet.answers ?? []).flatMap((record) =>
    record.type === 'PTR' && record.name === names.list && record.data.endsWith(suffix)
      ? [record.data.slice(0, -suffix.length)]
      : [],
  );
}

function stringsOf(data: string | Buffer | (string | Buffer)[]): Buffer[] {
  return (Array.isArray(data) ? data : [data]).map((each) =>
    typeof each === 'string' ? Buffer.from(each) : each,
  );
}
