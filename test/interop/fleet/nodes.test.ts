import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { roundRobin } from '../../../src/selector/strategy.js';
import { rpc } from '../../../src/server/rpc.js';
import { GoError, GoPeer, VERSIONS } from './go-peer.js';
import { GreeterClient } from './greeter.js';
import { octavo, serving, until, type Octavo } from './octavo.js';

/** How long an Octavo node goes on serving after it deregistered, in milliseconds: mDNS takes a moment. */
const LINGER_MS = 500;
/** A go-micro server may lose a call that follows another at once on one connection; go-micro's client then tries again, as it does by default. */
const LOST = { attemptMs: 500, retries: 5 };

for (const version of VERSIONS)
  describe(`a service of an Octavo node and a go-micro ${version} node`, () => {
    /** Calls as a Go client, and serves nothing. */
    let caller: GoPeer;
    /** The Go node. */
    let node: GoPeer;
    let ours: Octavo;
    let client: Octavo;
    beforeEach(async () => {
      caller = new GoPeer(version);
      node = new GoPeer(version);
      await node.ask({ do: 'serve', service: 'greeter', version: '1', serverID: 'go' });
      ours = await serving({ server: rpc({ lingerMs: LINGER_MS }) });
      client = await octavo();
    });
    afterEach(async () => {
      await Promise.all([client.stop(), ours.stop()]);
      await Promise.all([caller[Symbol.asyncDispose](), node[Symbol.asyncDispose]()]);
    });

    /** Calls so many times by name, and counts who answered. */
    async function byGo(times: number): Promise<Record<string, number>> {
      const command = {
        do: 'call',
        service: 'greeter',
        endpoint: 'Greeter.Hello',
        request: { name: 'J' },
        times,
        ...LOST,
      };
      return counted((await caller.ask<readonly { node: string }[]>(command)).map(({ node: who }) => who));
    }
    async function byOctavo(times: number): Promise<Record<string, number>> {
      const greeter = client.resolve(GreeterClient);
      const who: string[] = [];
      for (let at = 0; at < times; at++)
        who.push((await greeter.hello({ name: 'J' }, { strategy: STRATEGY })).node);
      return counted(who);
    }

    it('shares the load, of Go clients and of Octavo’s', async () => {
      const random = await byGo(100);
      assert.deepEqual(Object.keys(random).sort(), ['greeter-go', 'octavo']);
      assert.ok(Math.min(...Object.values(random)) > 20, JSON.stringify(random));
      assert.deepEqual(await byOctavo(100), { 'greeter-go': 50, octavo: 50 });
    });

    it('goes on without the Octavo node when that stops, and no call fails', async () => {
      await byGo(10);
      await byOctavo(10);
      const stopping = ours.stop();
      let stopped = false;
      void stopping.then(() => (stopped = true));
      while (!stopped) await Promise.all([byGo(10), byOctavo(10)]);
      assert.deepEqual(await byGo(20), { 'greeter-go': 20 });
      assert.deepEqual(await byOctavo(20), { 'greeter-go': 20 });
    });

    it('goes on without the Go node when that stops', async () => {
      await byOctavo(10);
      await node.ask({ do: 'stop' });
      // Go closes its listener in the same moment as it says that it goes; a call that was never sent goes elsewhere.
      assert.deepEqual(await byOctavo(20), { octavo: 20 });
      // go-micro's own client has no such rule: it needs to hear of it first.
      await until(async () => ((await byGo(1).catch(() => ({}))) as { octavo?: number }).octavo === 1);
      assert.deepEqual(await byGo(20), { octavo: 20 });
    });

    it('has other nodes that Octavo does not speak to: those of gRPC', async () => {
      const metadata = { protocol: 'grpc', transport: 'grpc' };
      const record = {
        name: 'greeter',
        version: '1',
        node: 'greeter-grpc',
        address: '127.0.0.1:1',
        metadata,
      };
      await node.ask({ do: 'register', record });
      await until(async () => (await caller.ask<unknown[]>({ do: 'get', service: 'greeter' })).length === 3);
      assert.deepEqual(await byOctavo(20), { 'greeter-go': 10, octavo: 10 });
      await node.ask({ do: 'deregister', record });
    });

    it('goes on without the Go node when that is killed: it is set aside', async () => {
      await byOctavo(10);
      await node.kill();
      assert.deepEqual(await byOctavo(20), { octavo: 20 });
    });
  });

const STRATEGY = roundRobin();

for (const version of VERSIONS)
  describe(`a go-micro ${version} client that keeps its connections, and an Octavo server that starts anew`, () => {
    let go: GoPeer;
    beforeEach(() => {
      go = new GoPeer(version);
    });
    afterEach(() => go[Symbol.asyncDispose]());

    const call = (more: Readonly<Record<string, unknown>>): Promise<{ text: string }> =>
      go.ask({ do: 'call', service: 'greeter', endpoint: 'Greeter.Hello', request: { name: 'J' }, ...more });

    it('at another port: found by name, no call fails', async () => {
      await using first = await serving({ server: rpc({ lingerMs: LINGER_MS }) });
      assert.equal((await call({})).text, 'Hello J');
      await using _second = await serving();
      await until(async () => (await go.ask<unknown[]>({ do: 'get', service: 'greeter' })).length === 2);
      await first.stop();
      for (let at = 0; at < 20; at++) assert.equal((await call({})).text, 'Hello J');
    });

    it('of Octavo’s, and a Go server that starts anew at the same address: no call fails', async () => {
      await using client = await octavo();
      const greeter = client.resolve(GreeterClient);
      const serve = { do: 'serve', service: 'greeter', version: '1', serverID: 'go' };
      const { address } = await go.ask<{ address: string }>(serve);
      assert.equal((await greeter.hello({ name: 'J' }, { address })).text, 'Hello J');
      await go.kill();
      go = new GoPeer(version);
      await go.ask({ ...serve, address });
      for (let at = 0; at < 5; at++)
        assert.equal((await greeter.hello({ name: 'J' }, { address })).text, 'Hello J');
    });

    it('at the same address: each connection kept fails one call of go-micro’s, and then all is well', async () => {
      await using first = await serving();
      const address = first.server.node?.address ?? assert.fail();
      assert.equal((await call({ address })).text, 'Hello J');
      await first.stop();
      await using _second = await serving({ server: rpc({ address }) });
      // go-micro notices neither that a connection it keeps was closed, nor does it retry what fails by it.
      await assert.rejects(
        call({ address, retries: 5 }),
        (error) => error instanceof GoError && error.code === 500,
      );
      for (let at = 0; at < 5; at++) assert.equal((await call({ address })).text, 'Hello J');
    });

    it('at the same address, with a connection for each call: no call fails', async () => {
      await using first = await serving();
      const address = first.server.node?.address ?? assert.fail();
      assert.equal((await call({ address, connClose: true })).text, 'Hello J');
      await first.stop();
      await using _second = await serving({ server: rpc({ address }) });
      for (let at = 0; at < 5; at++) assert.equal((await call({ address, connClose: true })).text, 'Hello J');
    });

    it('at the same address, with the retry that docs/go-micro.md names: no call fails', async () => {
      await using first = await serving();
      const address = first.server.node?.address ?? assert.fail();
      assert.equal((await call({ address })).text, 'Hello J');
      await first.stop();
      await using _second = await serving({ server: rpc({ address }) });
      for (let at = 0; at < 5; at++)
        assert.equal((await call({ address, retries: 1, always: true })).text, 'Hello J');
    });
  });

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
