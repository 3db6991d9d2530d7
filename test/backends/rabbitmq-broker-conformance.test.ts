import { after, before, describe, test } from 'node:test';
import { RabbitBroker } from '../../src/broker/rabbitmq.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { parts } from '../support/parts.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { wrapped } from '../support/wrapped.js';

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
  // Durable queues outlive what was tested: each suite has a world of its own.
  for (const vhost of ['bare', 'wrapped']) await server.vhost(vhost);
});
after(() => server.stop());

function broker(vhost: string): RabbitBroker {
  return new RabbitBroker({ addresses: [server.address], vhost }, parts());
}

describe('RabbitBroker', () => {
  conform(test, brokerSuite, () => broker('bare'));
});

describe('a wrapped RabbitBroker', () => {
  conform(test, brokerSuite, () => wrapped(broker('wrapped')));
});
