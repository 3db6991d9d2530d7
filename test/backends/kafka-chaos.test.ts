import { describe, it } from 'node:test';
import { KafkaBroker } from '../../src/broker/kafka.js';
import { KafkaServer } from '../support/kafka-server.js';
import { parts } from '../support/parts.js';
import { chaos } from './support/broker-chaos.js';

describe('ten thousand events while the server and a consumer are killed', () => {
  it('go over kafka, and none is lost', { timeout: 90_000 }, async (t) => {
    const server = await KafkaServer.start({
      properties: { 'num.partitions': 4, 'group.min.session.timeout.ms': 1_000 },
    });
    const addresses = [server.address];
    try {
      const broker = new KafkaBroker({ addresses }, parts());
      await chaos(t, {
        broker,
        server,
        addresses,
        consumer: 'backends/peers/kafka-consumer.js',
        patienceMs: 40_000,
      });
    } finally {
      await server.stop();
    }
  });
});
