import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { Metadata, sameName } from '../../core/metadata.js';
import { appendChecked, malformed } from '../bus/header.js';

/**
 * A message as go-micro's nats transport has it: `{"Header":{"Micro-Service":"greeter"},"Body":"<base64>"}`, one value for each name.
 *
 * Source: go-micro plugins v4 `transport/nats/nats.go`, and `encoding/json` of `transport.Message`.
 */
export function writeEnvelope({ header, body }: Message): Buffer {
  // Without a prototype, as a name may be anything.
  const Header = Object.create(null) as Record<string, string>;
  // Go's map is case-sensitive, and it writes this one name otherwise than HTTP does.
  for (const [name, value] of Object.entries(header.toObject()))
    Header[sameName(name, 'Micro-Id') ? 'Micro-ID' : name] = value;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Buffer.from(JSON.stringify({ Header, Body: bytes.toString('base64') }));
}

/** Reads what {@link writeEnvelope} or a Go peer wrote. Throws `invalid_argument` for anything else. */
export function readEnvelope(data: Uint8Array): Message {
  const { Header, Body } = parse(data);
  const header = new Metadata();
  for (const [name, value] of Object.entries(record(Header ?? {}))) {
    if (typeof value !== 'string') throw malformed(`the header ${name} is no text`);
    appendChecked(header, name, value);
  }
  if (Body !== undefined && Body !== null && typeof Body !== 'string') throw malformed('Body is no text');
  return { header, body: Buffer.from(Body ?? '', 'base64') };
}

function parse(data: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'));
  } catch (cause) {
    throw malformed(`it is no JSON: ${OctavoError.from(cause).message}`);
  }
  return record(value);
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('it is no object');
  // An object's members can be asked for by name.
  return value as Record<string, unknown>;
}
