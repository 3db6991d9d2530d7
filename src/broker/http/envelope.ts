import { STATUS_CODES } from 'node:http';
import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';

export interface EnvelopeLimits {
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}

/**
 * An event as go-micro's http broker posts it: `{"Header":{...},"Body":"<base64>"}`, names with their spelling.
 *
 * Source: go-micro v4.11 `broker/http.go`.
 *
 * @throws `resource_exhausted` for what a subscriber with the same limits would refuse
 */
export function writeEnvelope(topic: string, { header, body }: Message, limits: EnvelopeLimits): Buffer {
  const named = new Metadata(header).set('Micro-Topic', topic);
  const large = tooMuch(named, limits) ?? tooLarge((body.length * 4) / 3, limits);
  if (large !== undefined) throw refused(topic, large);
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
  const bytes = Buffer.from(JSON.stringify({ Header: named.toObject(), Body: text }));
  const larger = tooLarge(bytes.length, limits);
  if (larger !== undefined) throw refused(topic, larger);
  return bytes;
}

/** Why a post is no event: the status that go-micro answers, and what is wrong. */
export interface Fault {
  readonly status: number;
  readonly detail: string;
}

/** The event in a post, or what is wrong with it. */
export function readEnvelope(bytes: Buffer, limits: EnvelopeLimits): Message | Fault {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return malformed('it is no JSON');
  }
  if (typeof value !== 'object' || value === null) return malformed('it is no object');
  const { Header: names, Body: body } = value as { Header?: unknown; Body?: unknown };
  const header = new Metadata();
  if (typeof names === 'object' && names !== null)
    for (const [name, text] of Object.entries(names)) if (typeof text === 'string') header.append(name, text);
  // Before anything is looked for, which walks through the whole list.
  const large = tooMuch(header, limits);
  if (large !== undefined) return { status: 413, detail: large };
  if (!header.has('Micro-Topic')) return { status: 500, detail: 'Topic not found' };
  if (body === undefined || body === null) return { header, body: Buffer.alloc(0) };
  if (typeof body !== 'string' || !BASE64.test(body)) return malformed('Body is no base64');
  return { header, body: Buffer.from(body, 'base64') };
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The JSON of an error, as go-micro's broker answers. */
export function refusal(code: number, detail: string): Readonly<Record<string, unknown>> {
  return { id: 'go.micro.broker', code, detail, status: STATUS_CODES[code] };
}

function malformed(what: string): Fault {
  return { status: 500, detail: `Error parsing request body: ${what}` };
}

function tooMuch(header: Metadata, { maxHeaders, maxHeaderBytes }: EnvelopeLimits): string | undefined {
  if (header.size > maxHeaders) return `its header has over ${maxHeaders} names (maxHeaders)`;
  return header.exceeds(maxHeaderBytes)
    ? `its header takes over ${maxHeaderBytes} bytes (maxHeaderBytes)`
    : undefined;
}

function tooLarge(bytes: number, { maxBodyBytes }: EnvelopeLimits): string | undefined {
  return bytes > maxBodyBytes ? `its envelope takes over ${maxBodyBytes} bytes (maxBodyBytes)` : undefined;
}

function refused(topic: string, why: string): OctavoError {
  return new OctavoError('resource_exhausted', `an event for "${topic}" cannot be posted: ${why}`);
}
