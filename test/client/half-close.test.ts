import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc } from '../../src/client/rpc.js';
import { EMPTY } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { MemoryNetwork, MemoryTransport, memory } from '../../src/transport/memory.js';
import type { Socket } from '../../src/transport/transport.js';
import { ProbeClient } from '../conformance/probe.js';

/** Serves a stream of the probe by hand, as an Octavo peer that takes its time to say that it is one. */
async function slowly(socket: Socket): Promise<string[]> {
  const header = new Metadata({ 'Content-Type': 'application/json', 'Micro-Stream': '0', Octavo: '1' });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  await socket.send({ header: new Metadata(header).set('Octavo-Frame', 'open'), body: EMPTY });
  const errors: string[] = [];
  while (errors.length === 0) {
    const error = (await socket.receive())?.header.get('Micro-Error');
    if (error !== undefined) errors.push(error);
  }
  await socket.send({ header, body: Buffer.from('{"text":"sum"}') });
  await socket.send({ header: new Metadata(header).set('Micro-Error', 'EOS'), body: EMPTY });
  socket.close();
  return errors;
}

/** Items that take longer than the caller to begin to wait for a reply. */
async function* leisurely(): AsyncIterable<{ count: number }> {
  for (const count of [1, 2]) {
    await new Promise((resolve) => setImmediate(resolve));
    yield { count };
  }
}

describe('the end of what a caller streams', () => {
  it('is told to an Octavo peer that is known by its address alone, however late it says what it is', async () => {
    const network = new MemoryNetwork();
    const there = new MemoryTransport({ network });
    const served: Promise<string[]>[] = [];
    const { address } = await there.listen(':0', (socket) => served.push(slowly(socket)));
    const service = createService({
      name: 'caller',
      transport: memory({ network }),
      registry: memoryRegistry(),
      broker: memoryBroker(),
      client: rpc({ contentType: 'application/json' }),
      env: {},
    });
    await service.start();
    const probe = service.resolve(ProbeClient);
    assert.equal((await probe.sum(leisurely(), { address, timeoutMs: 2_000 })).text, 'sum');
    assert.deepEqual(await served[0], ['EOS']);
    await service.stop();
    await there.stop();
  });
});
