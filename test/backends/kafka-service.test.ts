import { after, before, describe, it } from 'node:test';
import { KafkaServer } from '../support/kafka-server.js';
import { serviceEvents } from './support/service-events.js';

let server: KafkaServer;
before(async () => {
  server = await KafkaServer.start();
});
after(() => server.stop());

describe('the subscribers of a service on kafka, chosen by variables', () => {
  serviceEvents(it, () => ({ MICRO_BROKER: 'kafka', MICRO_BROKER_ADDRESS: server.address }));
});
