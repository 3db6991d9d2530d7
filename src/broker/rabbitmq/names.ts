import { createHash } from 'node:crypto';
import { checkShort } from '../../core/rabbitmq-message.js';
import type { SubscribeOptions } from '../broker.js';

/** What the events of a broker go through. */
export interface Topology {
  /** The topic exchange that publishers use. */
  readonly exchange: string;
  /** Whether it outlives a restart of the server. */
  readonly durableExchange: boolean;
  /** The queue that those with one `queue` share for a topic. */
  readonly queueName: (queue: string, topic: string, durable: boolean) => string;
  readonly queueArguments: Readonly<Record<string, string | number | boolean>>;
}

/** How long a queue in which refused events wait is kept when nothing was put into it. */
const IDLE_MS = 60_000;

/** The name of a queue where nobody says another: one for each topic, and those that are durable apart. */
export function defaultQueueName(queue: string, topic: string, durable: boolean): string {
  return `${queue}.${topic}${durable ? '.durable' : ''}`;
}

/** The queue of a subscription. Without a name the server gives it one, and takes it away with the connection. */
export function queueOf(topic: string, { queue, durable = false }: SubscribeOptions, topology: Topology) {
  if (queue === undefined) return { queue: '', exclusive: true, autoDelete: true };
  const name = topology.queueName(queue, topic, durable);
  checkShort('the name of a queue', name);
  return durable
    ? { queue: name, durable, arguments: topology.queueArguments }
    : { queue: name, autoDelete: true };
}

/**
 * Where an event waits before it comes again to a queue: one place for each power of two of milliseconds, as only what is first in a queue
 * is looked at.
 */
export function waitingRoom(queue: string, durable: boolean, delayMs: number) {
  const power = Math.ceil(Math.log2(Math.max(1, delayMs)));
  const name = `octavo.wait.${queue}.${power}`;
  return {
    queue: Buffer.byteLength(name) > 255 ? `octavo.wait.${hashOf(queue)}.${power}` : name,
    durable,
    arguments: {
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': queue,
      'x-expires': 2 ** power + IDLE_MS,
    },
  };
}

/** Go-micro's exchange is gone with a restart of the server, and all bindings to it: durable queues hang on one behind it that stays. */
export function lastingExchange({ exchange, durableExchange }: Topology): string {
  return durableExchange ? exchange : `${exchange}.durable`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
