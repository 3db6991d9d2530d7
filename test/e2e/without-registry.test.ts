import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientOf, Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { named } from '../../src/selector/named.js';
import { staticSelector } from '../../src/selector/static.js';
import { rpc } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { MemoryNetwork, memory as memoryTransport } from '../../src/transport/memory.js';

@Message('alone.Text')
class Text {
  @Field(1, 'string') text = '';
}

// A name that every machine has an address of.
@Service({ name: 'localhost', package: 'alone' })
class Echo {
  @Handler(Text, Text)
  async say({ text }: Text): Promise<Text> {
    return { text };
  }
}

class EchoClient extends ClientOf(Echo) {}

/** A registry of its own for each, so that nobody is found by one. */
const stack = (): ServiceOptions => ({
  registry: memoryRegistry(),
  broker: memoryBroker(),
  logger: () => new TestLogger(),
  env: {},
});

describe('a service that no registry knows', () => {
  it('is called by its name, where that is an address', async () => {
    const network = new MemoryNetwork();
    const transport = memoryTransport({ network });
    const server = rpc({ address: 'localhost' });
    await using service = createService({ ...stack(), transport, services: [Echo], server });
    await service.start();
    await using caller = createService({ ...stack(), transport, selector: named() });
    await caller.start();
    assert.equal((await caller.resolve(EchoClient).say({ text: 'a' })).text, 'a');
  });

  it('is called where its name, a domain and a port say', async () => {
    await using service = createService({ ...stack(), transport: http(), services: [Echo] });
    await service.start();
    const port = Number(service.server.node?.address.split(':').at(-1));
    await using caller = createService({ ...stack(), transport: http(), selector: staticSelector({ port }) });
    await caller.start();
    assert.equal((await caller.resolve(EchoClient).say({ text: 'a' })).text, 'a');
    await service.stop();
    await assert.rejects(caller.resolve(EchoClient).say({ text: 'a' }), /localhost/);
  });
});
