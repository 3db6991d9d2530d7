import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { http as httpClient } from '../../src/client/http.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { back, mixed, resources } from '../support/mixed-calls.js';

/** What calls go through, as the environment chooses it, and what a node says of it. */
interface Wire {
  readonly calls: number;
  readonly env: Readonly<Record<string, string>>;
  readonly says: readonly [name: 'protocol' | 'transport', value: string];
  readonly options?: ServiceOptions;
}

const WIRES: Readonly<Record<string, Wire>> = {
  'rpc over http': { calls: 2_000, env: {}, says: ['transport', 'http'] },
  'rpc over tcp': { calls: 2_000, env: { MICRO_TRANSPORT: 'tcp' }, says: ['transport', 'tcp'] },
  'rpc over grpc': { calls: 2_000, env: { MICRO_TRANSPORT: 'grpc' }, says: ['transport', 'grpc'] },
  gRPC: { calls: 2_000, env: { MICRO_SERVER: 'grpc', MICRO_CLIENT: 'grpc' }, says: ['protocol', 'grpc'] },
  http: { calls: 600, env: { MICRO_SERVER: 'http', MICRO_CLIENT: 'http' }, says: ['protocol', 'http'] },
  'http, by HTTP/2': {
    calls: 600,
    env: { MICRO_SERVER: 'http' },
    says: ['protocol', 'http'],
    options: { client: httpClient({ version: '2' }) },
  },
};

for (const [name, { calls, env, says, options }] of Object.entries(WIRES))
  describe(`handles, timers and sockets of ${name}`, () => {
    it(`are back where they were after ${calls} calls that end in every way`, async () => {
      const before = resources();
      const service = createService({
        ...options,
        services: [Probe],
        registry: memoryRegistry(),
        broker: memoryBroker(),
        logger: () => new TestLogger(),
        env,
      });
      await service.start();
      const [told, value] = says;
      assert.equal(service.server.node?.metadata[told], value);
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
