import { after, before, describe, it } from 'node:test';
import { RedisServer } from '../support/redis-server.js';
import { serviceEvents } from './support/service-events.js';

let server: RedisServer;
before(async () => {
  server = await RedisServer.start();
});
after(() => server.stop());

for (const broker of ['redis', 'redis-streams'])
  describe(`the subscribers of a service on ${broker}, chosen by variables`, () => {
    serviceEvents(it, () => ({ MICRO_BROKER: broker, MICRO_BROKER_ADDRESS: server.address }));
  });
