import { RedisStreamsBroker } from '../../../src/broker/redis-streams.js';
import { parts } from '../../support/parts.js';

/** Takes events of a queue, says so, and is never through with them: `[topic, queue, address, claimAfterMs]` are its arguments. */
const [topic = '', queue = '', address = '', claimAfterMs = ''] = process.argv.slice(2);
const options = { addresses: [address], claimAfterMs: Number(claimAfterMs), concurrency: 10 };
const broker = new RedisStreamsBroker(options, parts());
await broker.start();
await broker.subscribe(
  topic,
  async ({ message: { body } }) => {
    process.send?.({ holds: Buffer.from(body).toString() });
    await new Promise(() => {});
  },
  { queue, durable: true },
);
process.send?.({ subscribed: true });
