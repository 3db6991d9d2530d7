import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { KafkaBroker } from '../../src/broker/kafka.js';
import { freePorts } from '../support/free-port.js';
import { FakeServer, GARBAGE } from '../support/garbage.js';
import { KafkaServer } from '../support/kafka-server.js';
import { BrokerBench, Got, publishUntilConfirmed } from './support/broker-bench.js';

/** Each takes half a second and more; all of them are tried on the start, without a server. */
const MOST = 5;

describe('a Kafka server that goes mad', () => {
  it('for a moment, in whatever way, is got over', async () => {
    const [port = 0] = await freePorts(1);
    let target = 0;
    // Between the server and those who believe what it says of its address.
    await using between = await FakeServer.start((near) => {
      const far = connect({ host: '127.0.0.1', port: target });
      far.on('error', () => {});
      far.on('close', () => near.destroy());
      near.on('close', () => far.destroy());
      near.pipe(far);
      far.on('data', (bytes: Buffer) => near.write(bytes));
    }, port);
    const server = await KafkaServer.start({
      properties: { 'advertised.listeners': `PLAINTEXT://${between.address}` },
    });
    target = server.port;
    try {
      await BrokerBench.with(
        (options, parts) => new KafkaBroker({ addresses: [between.address], ...options }, parts),
        async (bench) => {
          const broker = await bench.started({});
          const [got, all] = [new Got(), new Got()];
          await broker.subscribe('t', got.handler, { queue: 'q' });
          await broker.subscribe('t', all.handler);
          for (const [what, bytes] of Object.entries(GARBAGE).slice(0, MOST)) {
            await publishUntilConfirmed(broker, 't', `before ${what}`);
            await got.has(`before ${what}`);
            for (const socket of between.sockets) socket.write(bytes);
            await publishUntilConfirmed(broker, 't', `after ${what}`);
            await Promise.all([got.has(`after ${what}`), all.has(`after ${what}`)]);
          }
        },
      );
    } finally {
      await server.stop();
    }
  });
});
