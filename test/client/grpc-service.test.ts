import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import type { Service } from '../../src/service/service.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { back, mixed, resources } from '../support/mixed-calls.js';

const CALLS = 2_000;

function service(): Service {
  return createService({
    services: [Probe],
    registry: memoryRegistry(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: { MICRO_SERVER: 'grpc', MICRO_CLIENT: 'grpc' },
  });
}

describe('a service with MICRO_SERVER=grpc and MICRO_CLIENT=grpc', () => {
  it('says in the registry that it speaks gRPC, and is called', async () => {
    const one = service();
    await one.start();
    assert.equal(one.server.node?.metadata['protocol'], 'grpc');
    assert.equal((await one.resolve(ProbeClient).echo({ text: 'here' })).text, 'here');
    await one.stop();
  });

  it(`has its handles, timers and sockets back after ${CALLS} calls that end in every way`, async () => {
    const before = resources();
    const one = service();
    await one.start();
    const probe = one.resolve(ProbeClient);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < CALLS) await mixed(probe, next++);
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    await one.stop();
    assert.deepEqual(await back(before), before);
  });
});
