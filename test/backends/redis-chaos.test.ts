import { describe, it } from 'node:test';
import { RedisBroker } from '../../src/broker/redis.js';
import { RedisStreamsBroker } from '../../src/broker/redis-streams.js';
import { parts } from '../support/parts.js';
import { RedisServer } from '../support/redis-server.js';
import { chaos } from './support/broker-chaos.js';

describe('ten thousand events while the server and a consumer are killed', () => {
  it('go over redis, at most once', { timeout: 60_000 }, async (t) => {
    const server = await RedisServer.start();
    const addresses = [server.address];
    try {
      const broker = new RedisBroker({ addresses }, parts());
      await chaos(t, { broker, server, addresses, consumer: 'backends/peers/redis-consumer.js' });
    } finally {
      await server.stop();
    }
  });

  it('go over redis-streams, at least once', { timeout: 60_000 }, async (t) => {
    const server = await RedisServer.start();
    const addresses = [server.address];
    try {
      const broker = new RedisStreamsBroker({ addresses }, parts());
      await chaos(t, { broker, server, addresses, consumer: 'backends/peers/redis-streams-consumer.js' });
    } finally {
      await server.stop();
    }
  });
});
