import { EMPTY, type Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import { OctavoError } from '../../core/error.js';
import { HEADER_LIMITS, headerFault } from '../envelope.js';

/** What an entry of a stream is made of: the header as a JSON object, and the body as it is. */
const HEADER = 'header';
const BODY = 'body';

/** An event in a stream. */
export interface Entry {
  /** `1764076800000-0`: milliseconds since the epoch, and a number. */
  readonly id: string;
  readonly message: Message;
}

/**
 * The fields of an entry, name and value in turn.
 *
 * @throws `resource_exhausted` for a header over the limits
 */
export function writeEntry(topic: string, { header, body }: Message): (string | Buffer)[] {
  const named = new Metadata(header).set('Micro-Topic', topic);
  const fault = headerFault(named, HEADER_LIMITS);
  if (fault !== undefined)
    throw new OctavoError('resource_exhausted', `an event for "${topic}" cannot be sent: ${fault}`);
  // Of its own, as what is sent is written a little later.
  return [HEADER, JSON.stringify(named.toObject()), BODY, Buffer.from(body)];
}

/** The entries in what XRANGE answers, and XREAD for each stream. Whatever somebody else has put there is read as far as it goes. */
export function readEntries(reply: unknown): Entry[] {
  return lists(reply).flatMap((entry) => {
    const [id, fields] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (!Buffer.isBuffer(id)) return [];
    return [{ id: id.toString(), message: messageOf(lists(fields)) }];
  });
}

/** The entries of the one stream that XREAD and XREADGROUP were asked for. */
export function readStream(reply: unknown): Entry[] {
  const [stream] = lists(reply);
  return readEntries(lists(stream)[1]);
}

function messageOf(fields: readonly unknown[]): Message {
  let header = new Metadata();
  let body: Uint8Array = EMPTY;
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const value = fields[at + 1];
    if (!Buffer.isBuffer(value)) continue;
    const name = String(fields[at]);
    if (name === BODY) body = value;
    else if (name === HEADER) header = headerOf(value);
  }
  return { header, body };
}

/** An event with a header that cannot be read goes on without one: its handler, or its grave, is a better place than none. */
function headerOf(json: Buffer): Metadata {
  const header = new Metadata();
  try {
    const value: unknown = JSON.parse(json.toString());
    if (typeof value !== 'object' || value === null) return header;
    for (const [name, text] of Object.entries(value)) if (typeof text === 'string') header.append(name, text);
  } catch {
    return header;
  }
  return headerFault(header, HEADER_LIMITS) === undefined ? header : new Metadata();
}

/** Whether the first id is before the second. */
export function isBefore(a: string, b: string): boolean {
  const [[ms, n], [otherMs, otherN]] = [numbers(a), numbers(b)];
  return ms < otherMs || (ms === otherMs && n < otherN);
}

function numbers(id: string): [number, number] {
  const [ms = '', n = ''] = id.split('-');
  return [Number(ms), Number(n)];
}

export function lists(reply: unknown): unknown[] {
  return Array.isArray(reply) ? (reply as unknown[]) : [];
}
