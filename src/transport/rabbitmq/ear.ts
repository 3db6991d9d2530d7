import { OctavoError } from '../../core/error.js';
import type { RabbitChannel, RabbitMessage } from '../../core/rabbitmq-channel.js';
import type { RabbitClient } from '../../core/rabbitmq.js';

export interface EarInit {
  readonly client: RabbitClient;
  /** The queue that is consumed. Where it is not shared nobody else has it, and it goes with the connection. */
  readonly queue: string;
  /** Whether others may consume it too, as go-micro's servers do. */
  readonly shared: boolean;
  /** The exchange through which go-micro's clients reach it. */
  readonly exchange?: string;
  readonly deliver: (message: RabbitMessage) => void;
  /** Called when it has closed though nobody ended it. */
  readonly onClosed: () => void;
}

/** Bytes that wait in a queue for one who has stopped reading, at most: more are dropped, and the number of a frame shows it. */
const MOST_WAITING = 64 * 1024 * 1024;

/** A queue that is listened to: a channel with one consumer, that can be opened again when it has closed. */
export class Ear {
  readonly queue: string;
  readonly #init: EarInit;
  #channel: RabbitChannel | undefined;
  #beginning: Promise<void> | undefined;
  #consumer = '';
  #ended = false;

  constructor(init: EarInit) {
    this.queue = init.queue;
    this.#init = init;
  }

  get open(): boolean {
    return this.#channel?.active === true;
  }

  /** Begins to listen, where it does not yet. Rejects with `unavailable` where somebody else listens there. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin().finally(() => (this.#beginning = undefined));
    return this.#beginning;
  }

  async #begin(): Promise<void> {
    if (this.open || this.#ended) return;
    const { client, queue, onClosed } = this.#init;
    let channel: RabbitChannel;
    try {
      channel = await client.channel(
        `listen at ${queue}`,
        (opened) => this.#consume(opened),
        () => this.#ended || onClosed(),
      );
    } catch (reason) {
      throw inUse(queue, OctavoError.from(reason));
    }
    this.#channel = channel;
    if (this.#ended) await client.close(channel);
  }

  /** Listens no more. What was sent before is still delivered; what comes after goes back to its sender. */
  async end(): Promise<void> {
    this.#ended = true;
    const { client, queue, shared } = this.#init;
    const channel = this.#channel;
    if (channel?.active !== true || !client.up) return;
    if (shared) await client.cancel(channel, this.#consumer);
    // With its consumer it would go, too, and what is on its way would be lost without a word.
    else await client.remove(channel, queue);
    await client.close(channel);
  }

  async #consume(channel: RabbitChannel): Promise<void> {
    const { client, queue, exchange, shared, deliver, onClosed } = this.#init;
    await channel.queueDeclare(
      shared
        ? { queue, autoDelete: true }
        : {
            queue,
            exclusive: true,
            autoDelete: true,
            arguments: { 'x-max-length-bytes': MOST_WAITING, 'x-overflow': 'reject-publish' },
          },
    );
    if (exchange !== undefined) await channel.queueBind({ exchange, queue, routingKey: queue });
    channel.once('basic.cancel', () => {
      if (this.#ended) return;
      // Somebody has deleted the queue.
      if (this.#channel === channel) this.#channel = undefined;
      void client.close(channel);
      onClosed();
    });
    const { consumerTag } = await channel.basicConsume({ queue, noAck: true, exclusive: !shared }, deliver);
    this.#consumer = consumerTag;
  }
}

/** What the server says to the second one at a queue. */
function inUse(queue: string, error: OctavoError): OctavoError {
  const { code } = (error.cause ?? {}) as { code?: unknown }; // the server's, where it said something
  if (code !== 'RESOURCE_LOCKED' && code !== 'PRECONDITION_FAILED' && code !== 'ACCESS_REFUSED') return error;
  if (code === 'ACCESS_REFUSED' && !/exclusive/.test(error.message)) return error;
  return new OctavoError(
    'unavailable',
    `the address ${queue} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`,
    { cause: error },
  );
}
