import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { http as httpClient } from '../../src/client/http.js';
import { http as httpServer } from '../../src/server/http.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { back, mixed, resources } from '../support/mixed-calls.js';

/** What calls go through: the defaults, and what replaces them. */
const ENDS: Readonly<Record<string, readonly [calls: number, ServiceOptions]>> = {
  rpc: [2_000, {}],
  http: [600, { client: httpClient(), server: httpServer() }],
  'http, by HTTP/2': [600, { client: httpClient({ version: '2' }), server: httpServer() }],
};

for (const [name, [calls, ends]] of Object.entries(ENDS))
  describe(`handles, timers and sockets of ${name}`, () => {
    it(`are back where they were after ${calls} calls that end in every way`, async () => {
      const before = resources();
      const service = createService({
        ...ends,
        services: [Probe],
        registry: memoryRegistry(),
        broker: memoryBroker(),
        logger: () => new TestLogger(),
        env: {},
      });
      await service.start();
      const probe = service.resolve(ProbeClient);
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < calls) await mixed(probe, next++);
      };
      await Promise.all(Array.from({ length: 32 }, worker));
      await service.stop();
      assert.deepEqual(await back(before), before);
    });
  });
