import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it, test } from 'node:test';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { MultiRegistry } from '../../src/registry/multi.js';
import { ZooKeeperRegistry } from '../../src/registry/zookeeper.js';
import { conform } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';
import { churn } from './support/registry-churn.js';
import { eventually, failure, record, Told } from './support/registry-faults.js';

let etcd: EtcdServer;
let zookeeper: ZooKeeperServer;
let tests = 0;
before(async () => {
  [etcd, zookeeper] = await Promise.all([EtcdServer.start(), ZooKeeperServer.start()]);
});
after(() => Promise.all([etcd.stop(), zookeeper.stop()]));
beforeEach(() => tests++);

/** Writes to both; those of one test share a part of each. */
function make(): MultiRegistry {
  const write = [
    new EtcdRegistry({ addresses: [etcd.address], prefix: `/test-${tests}/` }, parts()),
    new ZooKeeperRegistry({ addresses: [zookeeper.address], root: `/octavo/test-${tests}` }, parts()),
  ];
  return new MultiRegistry({ write }, parts());
}

describe('etcd and ZooKeeper as one registry', () => {
  conform(test, registrySuite, make);

  it('goes on with the other while one is killed, and has both again when it is back', async (t) => {
    const [registry, other] = [make(), make()];
    await registry.start();
    await other.start();
    try {
      const told = new Told(other.watch({ service: 'greeter' }));
      await eventually(other, []);
      await registry.register(record('a'));
      await told.until('create a');
      await eventually(other, ['a']);
      await zookeeper.kill();
      assert.equal((await failure(registry.register(record('b')))).code, 'unavailable');
      await told.until('create b');
      await eventually(other, ['a', 'b']);
      await zookeeper.restart({ empty: true });
      const begin = Date.now();
      await new Promise<void>((resolve) => {
        const again = (): void =>
          void registry.register(record('c')).then(resolve, () => setTimeout(again, 20));
        again();
      });
      await told.until('create c');
      t.diagnostic(`both take nodes again ${Date.now() - begin} ms after the one is back`);
      assert.deepEqual(told.events, ['create a', 'create b', 'create c']);
    } finally {
      await registry.stop();
      await other.stop();
    }
  });

  it('is what a fresh list is, whatever happens to either server', async () => {
    const kill = async (): Promise<void> => {
      await etcd.kill();
      await etcd.restart({ empty: true });
    };
    const disasters = ['restart', kill, 'freeze', 'empty'] as const;
    await churn({ fresh: make, server: zookeeper, disasters });
  });
});
