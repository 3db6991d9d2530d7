import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { http as httpClient } from '../../src/client/http.js';
import { parseAddress } from '../../src/core/address.js';
import { memory as memoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { http as httpServer } from '../../src/server/http.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import type { Service } from '../../src/service/service.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';

const RESTARTS = 4;
/** How many calls are made between two restarts. */
const CALLS = 100;

function options(world = new MemoryWorld()): ServiceOptions {
  return {
    registry: memoryRegistry({ world }),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  };
}

async function serve(base: ServiceOptions): Promise<Service> {
  const service = createService({ ...base, services: [Probe], server: httpServer() });
  await service.start();
  return service;
}

describe('a service by HTTP', () => {
  for (const version of ['1.1', '2'] as const)
    it(`that is restarted node by node under load loses no call, by HTTP/${version}`, async () => {
      const base = options();
      const nodes = [await serve(base), await serve(base)];
      const caller = createService({ ...base, name: 'caller', client: httpClient({ version }) });
      await caller.start();
      const probe = caller.resolve(ProbeClient);
      let running = true;
      let calls = 0;
      const failures: unknown[] = [];
      const worker = async (): Promise<void> => {
        while (running) {
          // What may have been executed is not tried again.
          await probe.once({}).catch((reason: unknown) => failures.push(reason));
          calls++;
        }
      };
      const workers = Array.from({ length: 8 }, worker);
      for (let restart = 0; restart < RESTARTS; restart++) {
        nodes.push(await serve(base));
        const enough = calls + CALLS;
        while (calls < enough) await new Promise(setImmediate);
        await nodes.shift()?.stop();
      }
      running = false;
      await Promise.all(workers);
      await caller.stop();
      for (const node of nodes) await node.stop();
      assert.deepEqual(failures, []);
    });

  it('says goodbye to a connection that carries nothing before it closes it', async () => {
    const service = await serve(options());
    const { host, port } = parseAddress(service.server.node?.address ?? '');
    const socket = connect({ host, port });
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    while (!text.includes('ok')) await once(socket, 'data');
    text = '';
    const closed = once(socket, 'close');
    await service.stop();
    await closed;
    assert.match(text, /^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n/);
  });
});
