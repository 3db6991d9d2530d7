import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import type { RabbitMessage, RabbitProperties } from '../../core/rabbitmq-channel.js';
import { bytesOf, readTable, writeTable } from '../../core/rabbitmq-message.js';
import { headerFault, HEADER_LIMITS } from '../envelope.js';

/** Which delivery this will be, on what comes back from a wait. */
const ATTEMPT = 'Octavo-Attempt';
/** When it is to come again, in milliseconds since the epoch, on the same. */
const DUE = 'Octavo-Due';
/** The topic that it was published to, on the same: its routing key is the queue's name by then. */
const TOPIC = 'Octavo-Topic';
const OWN: ReadonlySet<string> = new Set([ATTEMPT, DUE, TOPIC]);
/** How often a quorum queue has delivered an event before. */
const DELIVERY_COUNT = 'x-delivery-count';

/** The properties of an event as go-micro's rabbitmq broker has them. */
export interface EventProperties {
  readonly headers: Readonly<Record<string, string | number>>;
  readonly durable: true;
}

/**
 * The header of an event as AMQP headers, one text for each name.
 *
 * Source: go-micro plugins v4 `broker/rabbitmq/rabbitmq.go`.
 *
 * @throws `resource_exhausted` or `invalid_argument` for what does not fit
 */
export function writeHeader(topic: string, header: Metadata): EventProperties {
  const fault = headerFault(header, HEADER_LIMITS);
  if (fault !== undefined)
    throw new OctavoError('resource_exhausted', `an event for "${topic}" cannot be sent: ${fault}`);
  return { headers: writeTable(header), durable: true };
}

/** An event that came. */
export interface Received {
  readonly topic: string;
  readonly attempt: number;
  readonly message: Message;
}

/**
 * Reads what {@link writeHeader} or a go-micro peer wrote.
 *
 * @throws `resource_exhausted` for a header over the limits
 */
export function readEvent(came: RabbitMessage): Received {
  const { headers = {}, routingKey, contentType } = came;
  const topic = typeof headers[TOPIC] === 'string' ? headers[TOPIC] : routingKey;
  const header = new Metadata();
  for (const [name, value] of readTable(headers))
    if (!OWN.has(name) && !name.startsWith('x-')) header.append(name, value);
  const fault = headerFault(header, HEADER_LIMITS);
  if (fault !== undefined) throw new OctavoError('resource_exhausted', fault);
  if (contentType !== undefined && !header.has('Content-Type')) header.append('Content-Type', contentType);
  if (!header.has('Micro-Topic')) header.append('Micro-Topic', topic);
  const attempt = count(headers[ATTEMPT], 1) + count(headers[DELIVERY_COUNT], 0);
  return { topic, attempt, message: { header, body: bytesOf(came.body) } };
}

/** When an event that waits is due, in milliseconds since the epoch; one that says nothing is. */
export function dueAt({ headers }: RabbitMessage): number {
  return count(Number(headers?.[DUE]), 0);
}

/** The properties of a copy that waits, and comes again when it is due. */
export function againAt(came: RabbitMessage, { topic, attempt }: Received, dueMs: number): RabbitProperties {
  const { headers, contentType, contentEncoding, correlationId, messageId, timestamp, type, appId } = came;
  return {
    // Those of its earlier waits would grow with each; a quorum queue counts anew.
    headers: { ...own(headers), [TOPIC]: topic, [ATTEMPT]: attempt + 1, [DUE]: String(Math.ceil(dueMs)) },
    contentType,
    contentEncoding,
    correlationId,
    messageId,
    timestamp,
    type,
    appId,
    durable: true,
  };
}

function own(headers: RabbitMessage['headers'] = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('x-')));
}

function count(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= fallback ? value : fallback;
}
