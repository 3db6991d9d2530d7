import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { rpc } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { nats } from '../../src/transport/nats.js';
import { Probe, ProbeClient, type Told } from '../conformance/probe.js';
import { failure } from '../support/nats-bench.js';
import { NatsServer } from '../support/nats-server.js';
import { startPeer } from '../support/peer-process.js';
import type { ServerProcess } from '../support/server-process.js';

let server: NatsServer;
let peer: ServerProcess;
before(async () => {
  server = await NatsServer.start();
  peer = await startPeer('nats', server.address, 'probe');
});
after(async () => {
  await peer.end();
  await server.stop();
});

function options(world = new MemoryWorld()): ServiceOptions {
  return {
    transport: nats({ addresses: [server.address] }),
    registry: memoryRegistry({ world }),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  };
}

async function withClient(run: (probe: ProbeClient) => Promise<void>): Promise<void> {
  const client = createService({ name: 'caller', ...options() });
  await client.start();
  try {
    await run(client.resolve(ProbeClient));
  } finally {
    await client.stop();
  }
}

async function all(stream: AsyncIterable<Told>): Promise<string[]> {
  const said: string[] = [];
  for await (const { text, count } of stream) said.push(`${text} ${count}`);
  return said;
}

async function* asks(...counts: number[]): AsyncIterable<{ text: string; count: number }> {
  for (const count of counts) yield { text: 'item', count };
}

/** The service in the other process. */
const THERE = { address: 'probe' };

describe('a service in another process, over NATS', () => {
  it('is called, and streams in each of the ways', () =>
    withClient(async (probe) => {
      assert.equal((await probe.echo({ text: 'Ada', count: 7 }, THERE)).count, 7);
      assert.deepEqual(await all(probe.count({ text: 'n', count: 3 }, THERE)), ['n 1', 'n 2', 'n 3']);
      assert.equal((await probe.sum(asks(1, 2, 3), THERE)).count, 6);
      assert.deepEqual(await all(probe.chat(asks(1, 2), THERE)), ['item 1', 'item 2', 'goodbye 0']);
    }));

  it('fails with its code, details and all', () =>
    withClient(async (probe) => {
      const error = await failure(() => probe.fail({ text: 'details' }, THERE));
      assert.deepEqual([error.code, error.details], ['failed_precondition', [{ type: 'wait', forMs: 5 }]]);
      assert.equal((await failure(() => all(probe.chat([{ text: 'fail' }], THERE)))).code, 'aborted');
    }));

  it('takes a thousand calls at once, and each has its own reply', () =>
    withClient(async (probe) => {
      const counts = Array.from({ length: 1_000 }, (_, n) => n);
      const replies = await Promise.all(counts.map((count) => probe.echo({ text: 'x', count }, THERE)));
      assert.deepEqual(
        replies.map(({ count }) => count),
        counts,
      );
    }));
});

describe('two apps that share a registry, over NATS', () => {
  it('find each other by name, and no call fails while one of two nodes drains', async () => {
    const world = new MemoryWorld();
    const nodes = [1, 2].map(() =>
      createService({ services: [Probe], server: rpc({ lingerMs: 50 }), ...options(world) }),
    );
    for (const node of nodes) await node.start();
    const client = createService({ name: 'caller', ...options(world) });
    await client.start();
    const probe = client.resolve(ProbeClient);
    let calls = 0;
    let on = true;
    const calling = (async () => {
      while (on) {
        await probe.echo({ text: 'x', count: calls });
        calls++;
      }
    })();
    while (calls < 50) await new Promise((resolve) => setImmediate(resolve));
    await nodes[0]?.stop();
    const seen = calls;
    while (calls < seen + 50) await new Promise((resolve) => setImmediate(resolve));
    on = false;
    await calling;
    await client.stop();
    await nodes[1]?.stop();
  });

  it('leave nothing behind: handles, timers and sockets are back where they were', async () => {
    const before = resources();
    const app = createService({ services: [Probe], ...options() });
    await app.start();
    const probe = app.resolve(ProbeClient);
    for (let n = 0; n < 500; n++) {
      await probe.echo({ text: 'x', count: n });
      await probe.wait({}, { timeoutMs: 1 }).catch(() => {});
      for await (const _ of probe.count({ text: 'wait', count: 3 })) break;
      await all(probe.chat(asks(1)));
    }
    await app.stop();
    for (let turn = 0; turn < 1_000 && resources() > before; turn++)
      await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(resources() <= before, `${resources()} where there were ${before}`);
  });
});

/** How many things keep the process up. */
function resources(): number {
  return process.getActiveResourcesInfo().length;
}
