import { after, before, describe, test } from 'node:test';
import { RabbitServer } from '../support/rabbit-server.js';
import { serviceEvents } from './support/service-events.js';

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
});
after(() => server.stop());

describe('subscribers of a service on the rabbitmq broker', () => {
  serviceEvents(test, () => ({ MICRO_BROKER: 'rabbitmq', MICRO_BROKER_ADDRESS: server.address }));
});
