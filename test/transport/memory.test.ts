import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { MemoryNetwork, MemoryTransport, type MemoryTransportOptions } from '../../src/transport/memory.js';
import type { Socket } from '../../src/transport/transport.js';

/** A socket from one transport to another, and what the other accepted. */
async function pair(
  near: MemoryTransportOptions = {},
  far: MemoryTransportOptions = {},
): Promise<{ socket: Socket; accepted: Socket[]; transports: MemoryTransport[] }> {
  const network = new MemoryNetwork();
  const accepted: Socket[] = [];
  const transports = [near, far].map((options) => new MemoryTransport({ network, ...options }));
  const listener = await transports[1]?.listen(':0', (each) => accepted.push(each));
  assert.ok(transports[0] !== undefined && listener !== undefined);
  return { socket: transports[0].dial(listener.address), accepted, transports };
}

function sized(bytes: number): { header: Metadata; body: Uint8Array } {
  return { header: new Metadata(), body: new Uint8Array(bytes) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('MemoryTransport', () => {
  it('gives an address of its own for a port of 0, and none that is taken', async () => {
    const transport = new MemoryTransport();
    const addresses: string[] = [];
    for (const asked of ['memory:2', '', ':0', 'name:0', 'name:1'])
      addresses.push((await transport.listen(asked, () => {})).address);
    assert.deepEqual(addresses, ['memory:2', 'memory:1', 'memory:3', 'memory:4', 'name:1']);
    await transport.stop();
  });

  it('reaches only those that share its network', async () => {
    const [one, other] = [new MemoryTransport(), new MemoryTransport()];
    const { address } = await one.listen(':0', () => {});
    assert.throws(() => other.dial(address), /nobody listens/);
    await one.stop();
  });

  it('lets timers run while two ends talk without end', async () => {
    const { socket, accepted, transports } = await pair();
    let messages = 0;
    const answer = async (from: Socket): Promise<void> => {
      for (let next = await from.receive(); next !== undefined; next = await from.receive()) {
        messages++;
        await from.send(next);
      }
    };
    await socket.send(sized(1));
    await turn();
    assert.ok(accepted[0] !== undefined);
    const talking = Promise.all([answer(socket), answer(accepted[0])]);
    // However slow the machine is, the timers run and the talk goes on.
    do await new Promise((resolve) => setTimeout(resolve, 1));
    while (messages <= 2);
    socket.close();
    await talking;
    await Promise.all(transports.map((each) => each.stop()));
  });

  it('delivers what was sent in one turn in the next, and not before', async () => {
    const { socket, accepted, transports } = await pair();
    for (let n = 0; n < 10; n++) void socket.send(sized(n));
    await Promise.resolve();
    assert.equal(accepted.length, 0);
    await turn();
    for (let n = 0; n < 10; n++) {
      const received = accepted[0]?.receive();
      assert.ok(received !== undefined && !(received instanceof Promise));
      assert.equal(received.body.length, n);
    }
    await Promise.all(transports.map((each) => each.stop()));
  });

  it('ends both ends where the one that receives has the stricter limit', async () => {
    const { socket, accepted, transports } = await pair({}, { maxMessageBytes: 10 });
    const exhausted = (reason: unknown): boolean =>
      reason instanceof OctavoError &&
      reason.code === 'resource_exhausted' &&
      reason.message.includes('maxMessageBytes');
    await socket.send(sized(10));
    await turn();
    await socket.send(sized(11));
    const far = accepted[0];
    assert.ok(far !== undefined);
    assert.equal((await far.receive())?.body.length, 10);
    await assert.rejects(async () => far.receive(), exhausted);
    await assert.rejects(async () => socket.receive(), exhausted);
    await Promise.all(transports.map((each) => each.stop()));
  });

  it('does not accept a socket whose first message is over the limit', async () => {
    const { socket, accepted, transports } = await pair({}, { maxHeaders: 1 });
    await socket.send({ header: new Metadata({ a: '1', b: '2' }), body: new Uint8Array(0) });
    await assert.rejects(async () => socket.receive(), /maxHeaders/);
    assert.equal(accepted.length, 0);
    await Promise.all(transports.map((each) => each.stop()));
  });

  it('is told to wait after as many messages as there is room for', async () => {
    const { socket, accepted, transports } = await pair();
    const told: number[] = [];
    for (let n = 1; n <= 64; n++) if (socket.send(sized(n)) instanceof Promise) told.push(n);
    assert.deepEqual(told, [64]);
    await turn();
    let free = false;
    const waiting = Promise.resolve(socket.send(sized(65))).then(() => (free = true));
    await turn();
    for (let n = 1; n <= 32; n++) await accepted[0]?.receive();
    await turn();
    assert.equal(free, false);
    await accepted[0]?.receive();
    await waiting;
    await Promise.all(transports.map((each) => each.stop()));
  });
});
