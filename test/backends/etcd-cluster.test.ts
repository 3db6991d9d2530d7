import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { eventually, record, Told } from './support/registry-faults.js';

describe('the etcd registry on a cluster of three', () => {
  it('goes on where any one of them is killed, and comes back', async (t) => {
    const servers = await EtcdServer.cluster(3);
    const addresses = servers.map(({ address }) => address);
    const [registry, other] = [0, 1].map(() => new EtcdRegistry({ addresses }, parts())) as [
      EtcdRegistry,
      EtcdRegistry,
    ];
    try {
      await registry.start();
      await other.start();
      const told = new Told(other.watch({ service: 'greeter' }));
      await registry.register(record('a'), { ttlMs: 60_000 });
      await told.until('create a');
      const ids = ['a'];
      for (const [n, server] of servers.entries()) {
        await server.kill();
        const begin = Date.now();
        const id = `b${n}`;
        for (let done = false; !done;)
          done = await registry.register(record(id), { ttlMs: 60_000 }).then(
            () => true,
            () => false,
          );
        ids.push(id);
        await told.until(`create ${id}`);
        const ms = Date.now() - begin;
        t.diagnostic(`goes on ${ms} ms after member ${n} was killed`);
        assert.ok(ms < 8_000, `${ms} ms`);
        await eventually(other, ids);
        await server.restart();
      }
      assert.deepEqual(
        told.events,
        ids.map((id) => `create ${id}`),
      );
    } finally {
      await registry.stop();
      await other.stop();
      for (const server of servers) await server.stop();
    }
  });
});
