import { OctavoError } from './error.js';
import { sameName, type Metadata } from './metadata.js';

/** AMQP headers, as the library has them. */
export type HeaderTable = Readonly<Record<string, unknown>>;

/** A short string of AMQP's: names of queues, exchanges and headers, and routing keys. */
const MOST_SHORT = 255;

/** @throws `invalid_argument` for what is too long for AMQP, which the library would cut off without a word */
export function checkShort(what: string, text: string): void {
  // One unit of a string takes three bytes at most, so that the bytes are rarely counted.
  if (3 * text.length <= MOST_SHORT) return;
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_SHORT)
    throw new OctavoError(
      'invalid_argument',
      `${what} "${text.slice(0, 32)}..." takes ${bytes} bytes: AMQP has room for ${MOST_SHORT}`,
    );
}

/**
 * A header as go-micro's rabbitmq broker and transport have it: one text for each name.
 *
 * Source: go-micro plugins v4 `broker/rabbitmq/rabbitmq.go`, `transport/rabbitmq/rabbitmq.go`.
 *
 * @throws `invalid_argument` for a name that is too long
 */
export function writeTable(header: Metadata): Record<string, string> {
  // Without a prototype, as a name may be anything.
  const table = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(header.toObject())) {
    checkShort('the name of a header', name);
    // Go's map is case-sensitive, and it writes this one name otherwise than HTTP does.
    table[sameName(name, 'Micro-Id') ? 'Micro-ID' : name] = value;
  }
  return table;
}

/** What of AMQP headers is text, or was meant as such. Lists and tables are RabbitMQ's own notes, or nobody's. */
export function readTable(table: HeaderTable = {}): [string, string][] {
  return Object.entries(table).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? [[name, String(value)]]
      : [],
  );
}

/** The bytes of a body: of those that say they are text or JSON the library makes something else. */
export function bytesOf(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''));
}
