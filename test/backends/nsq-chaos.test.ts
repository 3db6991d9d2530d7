import { describe, it } from 'node:test';
import { NsqBroker } from '../../src/broker/nsq.js';
import { NsqServer } from '../support/nsq-server.js';
import { parts } from '../support/parts.js';
import { chaos } from './support/broker-chaos.js';

describe('ten thousand events while the server and a consumer are killed', () => {
  it('go over nsq, at most once', { timeout: 60_000 }, async (t) => {
    const server = await NsqServer.start();
    const addresses = [server.address];
    try {
      const broker = new NsqBroker({ addresses }, parts());
      await chaos(t, { broker, server, addresses, consumer: 'backends/peers/nsq-consumer.js' });
    } finally {
      await server.stop();
    }
  });
});
