import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';

const CALLS = 2_000;

/** What keeps the process up, by kind. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** The same as before, when whatever is closing has closed. */
async function back(before: Record<string, number>): Promise<Record<string, number>> {
  for (let turn = 0; turn < 1_000; turn++) {
    const now = resources();
    if (Object.entries(now).every(([kind, count]) => count <= (before[kind] ?? 0))) return before;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return resources();
}

async function mixed(probe: ProbeClient, n: number): Promise<void> {
  switch (n % 8) {
    case 0:
      return void (await probe.fail({ text: 'thing' }).catch(() => {}));
    case 1: {
      const abort = new AbortController();
      const call = probe.wait({}, { signal: abort.signal });
      setImmediate(() => abort.abort());
      return void (await call.catch(() => {}));
    }
    case 2:
      for await (const _ of probe.count({ text: 'wait', count: 3 })) break;
      return;
    case 3:
      for await (const _ of probe.chat([{ text: 'a' }, { text: 'b' }]));
      return;
    case 4:
      return void (await probe.wait({}, { timeoutMs: 5 }).catch(() => {}));
    case 5:
      return void (await probe.fail({ text: 'string' }).catch(() => {}));
    default:
      return void (await probe.echo({ count: n }));
  }
}

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
