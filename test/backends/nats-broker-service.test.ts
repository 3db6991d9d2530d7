import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Field, Message } from '../../decorators/index.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { Probe } from '../conformance/probe.js';
import { NatsServer } from '../support/nats-server.js';
import { serviceEvents } from './support/service-events.js';

@Message('orders.Order')
class Order {
  @Field(1, 'string') name = '';
}

let server: NatsServer;
before(async () => {
  server = await NatsServer.start({ jetStream: true });
});
after(() => server.stop());

for (const broker of ['nats', 'nats-jetstream']) {
  const env = (): Record<string, string> => ({ MICRO_BROKER: broker, MICRO_BROKER_ADDRESS: server.address });

  describe(`the subscribers of a service on ${broker}, chosen by variables`, () => {
    serviceEvents(it, env);
  });

  describe(`a subscriber of many topics on ${broker}`, () => {
    it('knows the one that each event came by, and what it buries lies under that, once', async () => {
      const logs = new TestLogger();
      const service = createService({
        services: [Probe],
        registry: memoryRegistry(),
        transport: memoryTransport(),
        logger: () => logs,
        env: env(),
      });
      await service.start();
      try {
        const seen: string[] = [];
        await service.subscribe(
          `${broker}.>`,
          Order,
          ({ name }, { topic }) => {
            seen.push(`${topic} ${name}`);
            if (name === 'bad') throw new Error('no');
          },
          { deadLetter: true },
        );
        for (const name of ['bad', 'good'])
          await service.client.publish({ topic: `${broker}.made`, type: Order, body: { name } });
        const wanted = [`${broker}.made bad`, `${broker}.made good`, `${broker}.made.dead bad`];
        while (!wanted.every((line) => seen.includes(line)))
          await new Promise((resolve) => setTimeout(resolve, 10));
        while (!logs.records.some(({ message }) => message.includes('dropped')))
          await new Promise((resolve) => setTimeout(resolve, 10));
        assert.deepEqual(seen.toSorted(), wanted.toSorted());
      } finally {
        await service.stop();
      }
    });
  });
}
