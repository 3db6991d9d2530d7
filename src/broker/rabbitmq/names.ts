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

/** For how long a queue in which events wait is kept that nobody takes from, where the queue itself is not durable. */
const IDLE_MS = 60_000;

/**
 * Where refused events of a queue wait. Its members hold them until they are due, unacknowledged: RabbitMQ would bring them back by itself from a
 * queue with a time to live, but it may lose them when it is killed. It is there as long as the queue.
 */
export function waitingRoom(queue: string, { queue: named, durable = false }: SubscribeOptions) {
  const name = `octavo.wait.${queue}`;
  const fitting = Buffer.byteLength(name) > 255 ? `octavo.wait.${hashOf(queue)}` : name;
  const exclusive = named === undefined;
  if (durable) return { queue: fitting, durable, exclusive };
  // One that is made for the last word of a subscription that has ended has no member that would take it along.
  return { queue: fitting, exclusive, autoDelete: true, arguments: { 'x-expires': IDLE_MS } };
}

/** Go-micro's exchange is gone with a restart of the server, and all bindings to it: durable queues hang on one behind it that stays. */
export function lastingExchange({ exchange, durableExchange }: Topology): string {
  return durableExchange ? exchange : `${exchange}.durable`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
