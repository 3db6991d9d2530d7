import type { RabbitChannel, RabbitMessage } from '../../core/rabbitmq-channel.js';
import type { RabbitClient } from '../../core/rabbitmq.js';
import { bytesOf } from '../../core/rabbitmq-message.js';

/**
 * Takes away what the library cannot read: a header that nests lists some thousand deep breaks the connection by which it comes, and comes
 * again by the next one, without end.
 *
 * It is looked for among the first so many of a queue, by a connection of its own. Returns how many there were.
 */
export async function dropUnreadable(client: RabbitClient, queue: string, most: number): Promise<number> {
  for (let dropped = 0; ; dropped++) {
    const at = await find(client, queue, most);
    if (at === undefined) return dropped;
    await drop(client, queue, at);
  }
}

/** How many stand before the first one that cannot be read. What was taken out goes back. */
function find(client: RabbitClient, queue: string, most: number): Promise<number | undefined> {
  return client.spare(async (channel, broken) => {
    for (let at = 0; at < most; at++) {
      const got = await readable(channel.basicGet({ queue, noAck: false }), broken);
      if (got === 'broken') return at;
      if (got === undefined) return undefined;
    }
    return undefined;
  });
}

/** Takes this one away. Where somebody has done so meanwhile, another stands there, that is put back. */
function drop(client: RabbitClient, queue: string, at: number): Promise<void> {
  return client.spare(async (channel, broken) => {
    for (let n = 0; n < at; n++) await readable(channel.basicGet({ queue, noAck: false }), broken);
    const got = await readable(channel.basicGet({ queue, noAck: true }), broken);
    if (typeof got === 'object') await putBack(channel, queue, got);
  });
}

async function putBack(
  channel: RabbitChannel,
  queue: string,
  { body, ...properties }: RabbitMessage,
): Promise<void> {
  await channel.confirmSelect();
  await channel.basicPublish({ ...properties, exchange: '', routingKey: queue }, bytesOf(body));
}

async function readable(
  getting: Promise<RabbitMessage | undefined>,
  broken: () => boolean,
): Promise<RabbitMessage | undefined | 'broken'> {
  try {
    return await getting;
  } catch (reason) {
    if (broken()) return 'broken';
    // A queue that went with its last consumer holds nothing.
    if (reason instanceof Error && 'code' in reason && reason.code === 'NOT_FOUND') return undefined;
    throw reason;
  }
}
