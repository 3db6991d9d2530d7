import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NatsRegistry } from '../../src/registry/nats.js';
import { failure, timed } from '../support/nats-bench.js';
import { ids, node, Registries, service, Told, until } from '../support/nats-registries.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { churn } from './support/registry-churn.js';

describe('the nats registry and a server that dies', { concurrency: true }, () => {
  it('keeps nodes through it, tells a watch of none, and is found again at once when it is back', (t) =>
    Registries.with(async (registries) => {
      const [owner, watcher] = [await registries.started(), await registries.started()];
      await owner.register(service('greeter', node('a')), { ttlMs: 60_000 });
      const told = new Told(watcher.watch());
      await watcher.getService('greeter');
      const times: number[] = [];
      for (let round = 0; round < 3; round++) {
        await registries.server.kill();
        for (const failing of [
          () => watcher.getService('greeter'),
          () => owner.register(service('greeter', node('a')), { ttlMs: 60_000 }),
        ])
          assert.equal((await failure(failing)).code, 'unavailable');
        await registries.server.restart();
        times.push(
          await timed(() => until(async () => (await ids(watcher, 'greeter').catch(() => [])).length === 1)),
        );
      }
      t.diagnostic(`found again ${times.map(Math.round).join(', ')} ms after the port is open`);
      assert.ok(Math.max(...times) < 3_000, times.join());
      // Longer than it takes to give a node up.
      await new Promise((resolve) => setTimeout(resolve, 4_500));
      assert.deepEqual(told.all, []);
    }));

  it('tells of a node that was taken away meanwhile', () =>
    Registries.with(async (registries) => {
      const [owner, watcher] = [await registries.started(), await registries.started()];
      await owner.register(service('greeter', node('a'), node('b')));
      const told = new Told(watcher.watch());
      await watcher.getService('greeter');
      await registries.server.kill();
      assert.equal(
        (await failure(() => owner.deregister(service('greeter', node('a'))))).code,
        'unavailable',
      );
      await registries.server.restart();
      assert.deepEqual(await told.holds(1), ['delete a']);
      await until(async () => (await ids(watcher, 'greeter').catch(() => [])).join() === 'b');
    }));

  it('gets over one that hangs for 10 s, without telling of anything', () =>
    Registries.with(async (registries) => {
      const [owner, watcher] = [await registries.started(), await registries.started()];
      await owner.register(service('greeter', node('a')), { ttlMs: 5_000 });
      const renewing = setInterval(
        () => void owner.register(service('greeter', node('a')), { ttlMs: 5_000 }).catch(() => {}),
        1_000,
      );
      const told = new Told(watcher.watch());
      await watcher.getService('greeter');
      await registries.server.pause();
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      registries.server.resume();
      const ms = await timed(() =>
        until(async () => (await ids(watcher, 'greeter').catch(() => [])).length === 1),
      );
      assert.ok(ms < 3_000, `${ms} ms`);
      await new Promise((resolve) => setTimeout(resolve, 4_500));
      clearInterval(renewing);
      assert.deepEqual(told.all, []);
    }));
});

describe('a watch of the nats registry', () => {
  it('holds a view that is a fresh list after 200 changes with kills and a freeze between', async (t) => {
    const server = await NatsServer.start();
    try {
      const report = await churn({
        fresh: () => new NatsRegistry({ addresses: [server.address] }, parts()),
        server,
        disasters: ['restart', 'empty', 'freeze', 'restart'],
      });
      t.diagnostic(JSON.stringify(report));
    } finally {
      await server.stop();
    }
  });
});

describe('many nodes on the nats registry', () => {
  it('are listed within 250 ms, 1,000 of one service, whoever has them', (t) =>
    Registries.with(async (registries) => {
      const nodes = Array.from({ length: 1_000 }, (_, n) => node(`node-${n}`));
      const owners = await Promise.all(Array.from({ length: 10 }, () => registries.started()));
      await Promise.all(
        owners.map((owner, n) =>
          Promise.all(
            nodes.slice(n * 100, n * 100 + 100).map((each) => owner.register(service('greeter', each))),
          ),
        ),
      );
      const asker = await registries.started();
      const times: number[] = [];
      for (let n = 0; n < 5; n++)
        times.push(await timed(async () => assert.equal((await ids(asker, 'greeter')).length, 1_000)));
      t.diagnostic(`1,000 nodes of 10 registries: ${times.map(Math.round).join(', ')} ms`);
      assert.ok(Math.min(...times) < 250, times.join());
      const quorum = await registries.started({ quorum: 1_000 });
      const ms = await timed(() => quorum.getService('greeter'));
      t.diagnostic(`with a quorum: ${Math.round(ms)} ms`);
    }));
});
