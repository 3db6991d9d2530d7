import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { back, mixed, resources } from '../support/mixed-calls.js';

const CALLS = 2_000;

describe('handles, timers and sockets', () => {
  it(`are back where they were after ${CALLS} calls that end in every way`, async () => {
    const before = resources();
    const service = createService({
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
      while (next < CALLS) await mixed(probe, next++);
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    await service.stop();
    assert.deepEqual(await back(before), before);
  });
});
