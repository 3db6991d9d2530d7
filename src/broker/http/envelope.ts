import { STATUS_CODES } from 'node:http';
import type { Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';

/** How many headers an event has at most, as a message of a transport. */
const MOST_HEADERS = 256;

/**
 * An event as go-micro's http broker posts it: `{"Header":{...},"Body":"<base64>"}`, names with their spelling.
 *
 * Source: go-micro v4.11 `broker/http.go`.
 */
export function writeEnvelope(topic: string, { header, body }: Message): Buffer {
  const names = new Metadata(header).set('Micro-Topic', topic).toObject();
  return Buffer.from(JSON.stringify({ Header: names, Body: Buffer.from(body).toString('base64') }));
}

/** The event in a post, or what is wrong with it. */
export function readEnvelope(bytes: Buffer): Message | string {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return 'Error parsing request body: it is no JSON';
  }
  if (typeof value !== 'object' || value === null) return 'Error parsing request body: it is no object';
  const { Header: names, Body: body } = value as { Header?: unknown; Body?: unknown };
  const header = new Metadata();
  if (typeof names === 'object' && names !== null) {
    if (Object.keys(names).length > MOST_HEADERS)
      return `Error parsing request body: over ${MOST_HEADERS} headers`;
    for (const [name, text] of Object.entries(names)) if (typeof text === 'string') header.append(name, text);
  }
  if (!header.has('Micro-Topic')) return 'Topic not found';
  if (body !== undefined && body !== null && typeof body !== 'string')
    return 'Error parsing request body: Body is no base64';
  if (typeof body === 'string' && !BASE64.test(body)) return 'Error parsing request body: Body is no base64';
  return { header, body: Buffer.from(body ?? '', 'base64') };
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The JSON of an error, as go-micro's broker answers. */
export function refusal(code: number, detail: string): Readonly<Record<string, unknown>> {
  return { id: 'go.micro.broker', code, detail, status: STATUS_CODES[code] };
}
