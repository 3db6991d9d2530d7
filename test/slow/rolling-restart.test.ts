import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { mdns } from '../../src/registry/mdns.js';
import { createService } from '../../src/service/run.js';
import { GreeterClient } from '../../samples/greeter/contract.js';
import { Child } from '../support/child.js';
import { SHORT } from '../support/slow.js';
import { freeUdpPort } from '../support/udp-port.js';

const SECONDS = SHORT ? 6 : 30;
const IN_FLIGHT = 64;
const NODES = 3;

async function node(port: number, protocol: string): Promise<Child> {
  const child = Child.start('slow/node.js', [String(port), protocol]);
  await child.next('ready');
  return child;
}

describe('a rolling restart', () => {
  for (const protocol of ['rpc', 'grpc'])
    it(`of ${NODES} ${protocol} nodes under ${IN_FLIGHT} calls in flight for ${SECONDS} s fails no call`, () =>
      restarting(protocol));
});

async function restarting(protocol: string): Promise<void> {
  const port = await freeUdpPort();
  const nodes = await Promise.all(Array.from({ length: NODES }, () => node(port, protocol)));
  const service = createService({
    name: 'caller',
    registry: mdns({ interfaces: ['127.0.0.1'], port }),
    broker: memoryBroker(),
    env: { MICRO_CLIENT: protocol },
  });
  await service.start();
  const client = service.resolve(GreeterClient);
  const failures: unknown[] = [];
  let calls = 0;
  let over = false;
  const worker = async (): Promise<void> => {
    while (!over) {
      calls++;
      try {
        await client.hello({ name: 'Ada' });
      } catch (reason) {
        failures.push(reason);
      }
    }
  };
  const workers = Array.from({ length: IN_FLIGHT }, worker);
  const until = performance.now() + SECONDS * 1_000;
  let restarts = 0;
  for (let at = 0; performance.now() < until; at = (at + 1) % NODES) {
    const old = nodes[at];
    assert.equal(await old?.end('SIGTERM'), 0, old?.errors);
    nodes[at] = await node(port, protocol);
    restarts++;
  }
  over = true;
  await Promise.all(workers);
  await service.stop();
  for (const each of nodes) await each.end('SIGKILL');
  console.log(`${protocol}: ${calls} calls, ${restarts} restarts, ${failures.length} failed`);
  assert.deepEqual(failures.slice(0, 3), []);
  assert.ok(restarts >= NODES, `${restarts} restarts`);
}
