import { describe, it } from 'node:test';
import { NatsBroker } from '../../src/broker/nats.js';
import { NatsJetStreamBroker } from '../../src/broker/nats-jetstream.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { chaos } from './support/broker-chaos.js';

describe('10,000 events while the server is killed, and a consumer too', () => {
  it('of which the nats broker loses what is on its way', async (t) => {
    const server = await NatsServer.start();
    const addresses = [server.address];
    try {
      await chaos(t, {
        broker: new NatsBroker({ addresses }, parts()),
        server,
        consumer: 'backends/peers/nats-chaos.js',
        addresses,
        silenceMs: 1_500,
      });
    } finally {
      await server.stop();
    }
  });

  it('of which the nats-jetstream broker loses none', async (t) => {
    const server = await NatsServer.start({ jetStream: true });
    const addresses = [server.address];
    try {
      await chaos(t, {
        broker: new NatsJetStreamBroker({ addresses }, parts()),
        server,
        consumer: 'backends/peers/nats-jetstream-chaos.js',
        addresses,
      });
    } finally {
      await server.stop();
    }
  });
});
