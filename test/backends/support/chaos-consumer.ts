import { randomUUID } from 'node:crypto';
import type { Broker } from '../../../src/broker/broker.js';
import type { OctavoError } from '../../../src/core/error.js';

/** Of so many events one is refused at its first delivery, where the broker delivers it again. */
const REFUSED_ONE_IN = 50;

/**
 * What a consumer process of a chaos test does: `[topic, queue, ...addresses]` are its arguments.
 *
 * It says each event to its parent before it acknowledges it, so that what was acknowledged was said.
 */
export async function consume(make: (addresses: readonly string[]) => Broker): Promise<void> {
  const [topic = '', queue = '', ...addresses] = process.argv.slice(2);
  const broker = make(addresses);
  await started(broker);
  const { durable, queues, redelivery } = broker.guarantees;
  await broker.subscribe(
    topic,
    async ({ message: { body }, attempt }) => {
      const n = Number(Buffer.from(body).toString());
      if (redelivery && attempt === 1 && n % REFUSED_ONE_IN === 1) throw new Error('refused once');
      await say({ handled: n });
    },
    queues ? { queue, durable } : {},
  );
  await say({ subscribed: randomUUID() });
}

/** The server may be down at this moment. */
async function started(broker: Broker): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      return await broker.start();
    } catch (reason) {
      if (attempt === 5 || (reason as OctavoError).code !== 'unavailable') throw reason;
    }
}

/** Resolves when the parent has it, whatever becomes of this process. */
function say(message: Readonly<Record<string, unknown>>): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}
