import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { MemoryWorld, memory as memoryRegistry } from '../../src/registry/memory.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import type { ServerOptions } from '../../src/server/server.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { grpc } from '../../src/transport/grpc.js';
import { http } from '../../src/transport/http.js';
import { MemoryNetwork, memory } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { Probe, ProbeClient, Signal } from '../conformance/probe.js';
import { has } from '../support/wrapping.js';

const network = new MemoryNetwork();
const TRANSPORTS = {
  memory: () => memory({ network }),
  http: () => http(),
  tcp: () => tcp(),
  grpc: () => grpc(),
};

/** Refuses the first streams. */
class Refusing {
  left = 1;
  refused = 0;

  readonly wrapper: Wrapper = async (call, next) => {
    if (call.kind === 'unary' || this.left-- <= 0) return next(call);
    this.refused++;
    // Not at once: whoever greets before the wrappers are through is noticed.
    await new Promise(setImmediate);
    throw new OctavoError('unavailable', 'not here', { executed: false });
  };
}

for (const [name, transport] of Object.entries(TRANSPORTS))
  describe(`a stream that a wrapper refuses, over ${name}`, () => {
    async function two(options: ServerOptions, run: (client: ProbeClient) => Promise<void>): Promise<void> {
      const world = new MemoryWorld();
      const stack = (server: ServerOptions): ServiceOptions => ({
        services: [Probe],
        registry: memoryRegistry({ world }),
        broker: memoryBroker(),
        transport: transport(),
        client: rpcClient({ retries: 0 }),
        server: rpcServer(server),
        logger: () => new TestLogger(),
        env: {},
      });
      const services = [createService(stack(options)), createService(stack(options))];
      for (const each of services) await each.start();
      try {
        await run(services[0]?.resolve(ProbeClient) ?? assert.fail());
      } finally {
        for (const each of services) await each.stop();
      }
    }

    it('goes to another node, with every item', async () => {
      const refusing = new Refusing();
      await two({ wrappers: [refusing.wrapper] }, async (client) => {
        assert.equal((await client.sum([{ count: 1 }, { count: 2 }])).count, 3);
        refusing.left = 1;
        const seen: string[] = [];
        for await (const { text } of client.chat([{ text: 'a' }, { text: 'b' }])) seen.push(text);
        assert.deepEqual(seen, ['a', 'b', 'goodbye']);
        refusing.left = 1;
        const counts: number[] = [];
        for await (const { count } of client.count({ count: 2 })) counts.push(count);
        assert.deepEqual(counts, [1, 2]);
        assert.equal(refusing.refused, 3);
      });
    });

    it('fails where everybody refuses it, and says that it was not executed', async () => {
      const refusing = new Refusing();
      refusing.left = 9;
      await two({ wrappers: [refusing.wrapper] }, async (client) => {
        await assert.rejects(client.sum([{ count: 1 }]), has('unavailable', { executed: false }));
      });
    });

    it('is greeted where a wrapper wants an item, or takes long', async () => {
      const held = new Signal<() => void>();
      const looking: Wrapper = async (call, next) => {
        if (call.kind !== 'bidi') return next(call);
        // Nothing comes before the greeting.
        const items = call.request as AsyncIterable<unknown>;
        const first = await items[Symbol.asyncIterator]().next();
        assert.equal(first.done, false);
        await new Promise<void>((resolve) => held.fire(resolve));
        return next(call);
      };
      await two({ wrappers: [looking] }, async (client) => {
        const seen: string[] = [];
        const reading = (async () => {
          for await (const { text } of client.chat([{ text: 'a' }, { text: 'b' }])) seen.push(text);
        })();
        (await held.next())();
        await reading;
        assert.deepEqual(seen, ['b', 'goodbye']);
      });
    });
  });
