import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { ZooKeeperRegistry } from '../../src/registry/zookeeper.js';
import { parts } from '../support/parts.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';
import { eventually, failure, record, Told } from './support/registry-faults.js';

/** A length, and that many bytes, or fewer. */
function frame(length: number, ...bytes: readonly number[]): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(length);
  return Buffer.concat([prefix, Buffer.from(bytes)]);
}

/** What nobody expects of ZooKeeper. */
const ANSWERS: readonly Buffer[] = [
  Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  frame(-4),
  frame(-1, 1, 2, 3),
  frame(0),
  frame(0x7fffffff, 1, 2, 3),
  frame(4, 1, 2, 3, 4),
  frame(36, ...new Array<number>(36).fill(255)),
  frame(36, ...new Array<number>(36).fill(1)),
  Buffer.alloc(100_000),
];

async function serve(
  on: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly close: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    on(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('a server that listens has a port');
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: at.port, close };
}

describe('the zookeeper registry', () => {
  for (const [n, answer] of ANSWERS.entries())
    it(`survives a server that speaks otherwise (${n})`, async () => {
      const { port, close } = await serve((socket) => socket.on('data', () => void socket.write(answer)));
      const registry = new ZooKeeperRegistry(
        { addresses: [`127.0.0.1:${port}`], connectTimeoutMs: 400, timeoutMs: 100 },
        parts(),
      );
      const error = await failure(registry.start());
      assert.match(error.code, /^(?:unavailable|unauthenticated|internal)$/);
      registry.stop();
      close();
    });

  it('gets over answers that break off in the middle', async () => {
    const server = await ZooKeeperServer.start();
    let cut = false;
    const { port, close } = await serve((socket) => {
      const there = connect({ host: '127.0.0.1', port: server.port });
      there.on('error', () => socket.destroy());
      socket.on('close', () => there.destroy());
      there.on('close', () => socket.destroy());
      socket.pipe(there);
      there.on('data', (data: Buffer) => {
        if (!cut || data.length < 100) return void socket.write(data);
        cut = false;
        socket.write(data.subarray(0, data.length / 2), () => socket.destroy());
      });
    });
    const { clock, logger } = parts();
    const [registry, direct] = [port, server.port].map(
      (each) => new ZooKeeperRegistry({ addresses: [`127.0.0.1:${each}`] }, { clock, logger }),
    );
    assert.ok(registry !== undefined && direct !== undefined);
    await registry.start();
    await direct.start();
    const told = new Told(registry.watch());
    await registry.register(record('a'));
    await told.until('create a');
    for (const id of ['b', 'c', 'd']) {
      cut = true;
      await registry.getService('greeter').catch(() => {});
      assert.equal(cut, false);
      await direct.register(record(id));
      await told.until(`create ${id}`);
      await eventually(registry, ['a', 'b', 'c', 'd'].slice(0, ['b', 'c', 'd'].indexOf(id) + 2));
    }
    assert.deepEqual(told.events, ['create a', 'create b', 'create c', 'create d']);
    // The session has gone on: nothing of the half that came was left for the next connection.
    assert.ok(!logger.records.some(({ message }) => message.includes('is replaced')));
    registry.stop();
    direct.stop();
    close();
    await server.stop();
  });
});
