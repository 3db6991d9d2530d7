import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { NsqBroker } from '../../../src/broker/nsq.js';
import { OctavoError } from '../../../src/core/error.js';
import { FakeServer, framed, GARBAGE } from '../../support/garbage.js';
import { parts } from '../../support/parts.js';

describe('a server that is no nsqd', { concurrency: true }, () => {
  for (const [what, bytes] of Object.entries(GARBAGE))
    it(`and answers with ${what} fails the start, and nothing else`, async () => {
      await using server = await FakeServer.start((socket) => socket.once('data', () => socket.write(bytes)));
      const broker = new NsqBroker({ addresses: [server.address], connectTimeoutMs: 300 }, parts());
      await assert.rejects(
        () => broker.start(),
        (reason) => reason instanceof OctavoError && reason.code === 'unavailable',
      );
      await broker.stop();
    });
});

describe('an nsqd that goes mad', { concurrency: true }, () => {
  const ok = framed(Buffer.from('\0\0\0\0OK'));

  /** Says yes to everything. */
  function agree(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      if (/IDENTIFY/.test(text)) socket.write(ok);
      if (/SUB /.test(text)) socket.write(ok);
    });
  }

  for (const [what, bytes] of Object.entries(GARBAGE))
    it(`and says ${what} to a publisher and a subscriber is connected to again`, async () => {
      await using server = await FakeServer.start(agree);
      const broker = new NsqBroker({ addresses: [server.address] }, parts());
      await broker.start();
      await broker.subscribe('t', () => {});
      const before = new Set(server.sockets);
      assert.equal(before.size, 2);
      for (const socket of before) {
        socket.write(bytes);
        // What does not end the connection may leave it waiting for more.
        socket.end();
      }
      while (![...server.sockets].some((socket) => !before.has(socket)) || server.sockets.size < 2)
        await new Promise((resolve) => setTimeout(resolve, 10));
      await broker.stop();
    });
});

describe('options of the nsq broker that cannot work', () => {
  it('are refused by name', () => {
    for (const options of [
      { addresses: [], lookups: [] },
      { concurrency: 0 },
      { concurrency: 4, prefetch: 2 },
    ])
      assert.throws(
        () => new NsqBroker(options, parts()),
        (reason) => reason instanceof OctavoError && reason.code === 'failed_precondition',
      );
  });
});
