import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { Child } from '../support/child.js';
import { SHORT } from '../support/slow.js';

const SECONDS = SHORT ? 8 : 60;
const MB = 1024 * 1024;
const MOST_ABOVE_IDLE = 64 * MB;

/** The most memory that a process had since this was called, above what it has now. */
async function watch(child: Child): Promise<() => number> {
  const idle = await child.next<number>('rss');
  let most = idle;
  child.on<number>('rss', (rss) => (most = Math.max(most, rss)));
  return () => most - idle;
}

for (const role of ['read', 'write'])
  describe(`a slow reader of a stream that the ${role === 'read' ? 'server' : 'client'} sends`, () => {
    it(`offered 1 GB and reading 1 MB/s for ${SECONDS} s keeps both processes under 64 MB above idle`, async () => {
      const server = Child.start('slow/streamer.js', ['serve']);
      const address = await server.next<string>('address');
      const client = Child.start('slow/streamer.js', [role, address]);
      await client.next('warm');
      const [ofServer, ofClient] = await Promise.all([watch(server), watch(client)]);
      let read = 0;
      (role === 'read' ? client : server).on<number>('read', (bytes) => (read = bytes));
      // The load itself: nothing is waited for but its time.
      await wait(SECONDS * 1_000);
      const [serverMb, clientMb] = [ofServer(), ofClient()].map((bytes) => Math.round(bytes / MB));
      await client.end('SIGKILL');
      await server.end('SIGKILL');
      console.log(
        `read ${Math.round(read / MB)} MB; above idle: server ${serverMb} MB, client ${clientMb} MB`,
      );
      assert.ok(read >= (SECONDS / 2) * MB, `only ${read} bytes were read`);
      assert.ok(ofServer() < MOST_ABOVE_IDLE && ofClient() < MOST_ABOVE_IDLE);
    });
  });
