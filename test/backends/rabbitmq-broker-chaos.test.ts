import { describe, it } from 'node:test';
import { RabbitBroker } from '../../src/broker/rabbitmq.js';
import { parts } from '../support/parts.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { chaos } from './support/broker-chaos.js';

describe('ten thousand events while the server and a consumer are killed', () => {
  it('go over rabbitmq, and none is lost', { timeout: 120_000 }, async (t) => {
    const server = await RabbitServer.start();
    const addresses = [server.address];
    try {
      const broker = new RabbitBroker({ addresses }, parts());
      await chaos(t, { broker, server, addresses, consumer: 'backends/peers/rabbitmq-consumer.js' });
    } finally {
      await server.stop();
    }
  });
});
