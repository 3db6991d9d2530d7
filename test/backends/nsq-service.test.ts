import { after, before, describe, it } from 'node:test';
import { NsqServer } from '../support/nsq-server.js';
import { serviceEvents } from './support/service-events.js';

let server: NsqServer;
before(async () => {
  server = await NsqServer.start();
});
after(() => server.stop());

describe('the subscribers of a service on nsq, chosen by variables', () => {
  serviceEvents(it, () => ({ MICRO_BROKER: 'nsq', MICRO_BROKER_ADDRESS: server.address }));
});
