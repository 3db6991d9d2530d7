import { OctavoError } from '../core/error.js';
import { EMPTY, type Message } from '../core/message.js';
import { Metadata } from '../core/metadata.js';

export interface HeaderLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}

export interface EnvelopeLimits extends HeaderLimits {
  /** Bytes of the whole, where a body takes four thirds of its own. */
  readonly maxBodyBytes: number;
}

/** What a header may be on a backend that says nothing of it. */
export const HEADER_LIMITS = { maxHeaderBytes: 64 * 1024, maxHeaders: 256 } as const;

/**
 * An event in one piece, as go-micro's brokers write it where the backend has no headers (http, nats, kafka, nsq, redis):
 * `{"Header":{...},"Body":"<base64>"}`, names with their spelling.
 *
 * Source: go-micro v4.11 `broker/http.go`, plugins v4 `broker/{nats,kafka,nsq,redis}`.
 *
 * @throws `resource_exhausted` for what a subscriber with the same limits would refuse
 */
export function writeEnvelope(topic: string, { header, body }: Message, limits: EnvelopeLimits): Buffer {
  const named = new Metadata(header).set('Micro-Topic', topic);
  const large = headerFault(named, limits) ?? sizeFault((body.length * 4) / 3, limits);
  if (large !== undefined) throw refused(topic, large);
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
  const bytes = Buffer.from(JSON.stringify({ Header: named.toObject(), Body: text }));
  const larger = sizeFault(bytes.length, limits);
  if (larger !== undefined) throw refused(topic, larger);
  return bytes;
}

/**
 * The event in such a piece.
 *
 * @throws `invalid_argument` for what is none, `resource_exhausted` for one over the limits
 */
export function readEnvelope(bytes: Uint8Array, limits: HeaderLimits): Message {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    throw malformed('it is no JSON');
  }
  if (typeof value !== 'object' || value === null) throw malformed('it is no object');
  const { Header: names, Body: body } = value as { Header?: unknown; Body?: unknown };
  const header = new Metadata();
  if (typeof names === 'object' && names !== null)
    for (const [name, text] of Object.entries(names)) if (typeof text === 'string') header.append(name, text);
  // Before anything is looked for, which walks through the whole list.
  const large = headerFault(header, limits);
  if (large !== undefined) throw new OctavoError('resource_exhausted', large);
  if (body === undefined || body === null) return { header, body: EMPTY };
  if (typeof body !== 'string' || !BASE64.test(body)) throw malformed('Body is no base64');
  return { header, body: Buffer.from(body, 'base64') };
}

/** What is wrong with a header, for those that carry it by the backend's own means. */
export function headerFault(
  header: Metadata,
  { maxHeaders, maxHeaderBytes }: HeaderLimits,
): string | undefined {
  if (header.size > maxHeaders) return `its header has over ${maxHeaders} names (maxHeaders)`;
  return header.exceeds(maxHeaderBytes)
    ? `its header takes over ${maxHeaderBytes} bytes (maxHeaderBytes)`
    : undefined;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function sizeFault(bytes: number, { maxBodyBytes }: EnvelopeLimits): string | undefined {
  return bytes > maxBodyBytes ? `its envelope takes over ${maxBodyBytes} bytes (maxBodyBytes)` : undefined;
}

function malformed(what: string): OctavoError {
  return new OctavoError('invalid_argument', `an event cannot be read: ${what}`);
}

function refused(topic: string, why: string): OctavoError {
  return new OctavoError('resource_exhausted', `an event for "${topic}" cannot be sent: ${why}`);
}
