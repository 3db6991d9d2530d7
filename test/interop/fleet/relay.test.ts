import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OctavoError } from '../../../src/core/error.js';
import { GoPeer, VERSIONS } from './go-peer.js';
import { RelayClient } from './greeter.js';
import { octavo, serving, type Octavo } from './octavo.js';

// A go-micro handler that calls on with its context sends every header of its own caller along, Octavo's too.
for (const version of VERSIONS)
  describe(`Octavo calls Octavo through a go-micro ${version} handler`, () => {
    let go: GoPeer;
    let caller: Octavo;
    let callee: Octavo;
    let relay: RelayClient;
    before(async () => {
      callee = await serving();
      go = new GoPeer(version);
      await go.ask({ do: 'serve', service: 'relay', version: '1', serverID: 'go' });
      caller = await octavo();
      relay = caller.resolve(RelayClient);
    });
    after(async () => {
      await caller.stop();
      await go[Symbol.asyncDispose]();
      await callee.stop();
    });

    it('and the metadata of the first arrives, while the wire’s own does not', async () => {
      const metadata = { 'Tenant-Id': 'x' };
      const reply = await relay.hello({ name: 'greeter' }, { metadata });
      assert.equal(reply.text, 'Hello Relay');
      assert.equal(reply.metadata.get('Tenant-Id'), 'x');
      assert.deepEqual(
        [...reply.metadata.keys()].filter((name) =>
          /^(micro|octavo|timeout|accept|content|user-agent)/i.test(name),
        ),
        [],
      );
    });

    it('and a stream of the Go handler’s is one of go-micro’s: no greeting is taken for an item', async () => {
      const { text } = await relay.chat({ name: 'greeter', count: 3 });
      assert.equal(text, '[a-0][a-1][a-2]');
    });

    it('and an error comes through in go-micro’s form', async () => {
      await assert.rejects(
        relay.hello({ name: 'nobody' }),
        (error) =>
          error instanceof OctavoError && error.code === 'internal' && /not found/.test(error.message),
      );
    });

    it('and calls that the Go handler makes out of a stream are calls, on connections that it uses again', async () => {
      const requests = Array.from({ length: 5 }, () => ({ name: 'greeter' }));
      const stream = caller.client.stream({
        service: 'relay',
        endpoint: 'Relay.Mixed',
        contentType: 'application/json',
      });
      for (const request of requests) {
        await stream.send(request);
        const reply = await stream.receive();
        assert.equal((reply as { text?: string } | undefined)?.text, 'Hello Relay');
      }
      await stream.close();
    });
  });
