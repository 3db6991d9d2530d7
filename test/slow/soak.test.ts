import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { back, mixed, resources } from '../support/mixed-calls.js';
import { SHORT } from '../support/slow.js';

const CALLS = SHORT ? 10_000 : 100_000;
const MB = 1024 * 1024;

describe('a soak', () => {
  it(`of ${CALLS} calls that end in every way leaves no handle, timer, socket or memory behind`, async () => {
    const before = resources();
    const logs = new TestLogger();
    const service = createService({
      services: [Probe],
      registry: memoryRegistry(),
      broker: memoryBroker(),
      logger: () => logs,
      env: {},
    });
    await service.start();
    const probe = service.resolve(ProbeClient);
    const { cancelled, waiting } = service.resolve(Probe);
    let next = 0;
    const worker = async (until: number): Promise<void> => {
      while (next < until) {
        await mixed(probe, next++);
        // What the test itself remembers.
        logs.records.length = 0;
        cancelled.clear();
        waiting.clear();
      }
    };
    const calls = async (until: number): Promise<number> => {
      await Promise.all(Array.from({ length: 32 }, () => worker(until)));
      return process.memoryUsage.rss();
    };
    const warm = await calls(CALLS / 5);
    const end = await calls(CALLS);
    await service.stop();
    assert.deepEqual(await back(before), before);
    console.log(
      `${CALLS} calls; from ${Math.round(warm / MB)} MB after a fifth of them to ${Math.round(end / MB)} MB`,
    );
    assert.ok(end - warm < 64 * MB, `${Math.round((end - warm) / MB)} MB more`);
  });
});
