import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { ZooKeeperRegistry } from '../../src/registry/zookeeper.js';
import { parts } from '../support/parts.js';
import { ZooKeeperEnsemble } from '../support/zookeeper-ensemble.js';
import { eventually, record, Told } from './support/registry-faults.js';

describe('the zookeeper registry and an ensemble of three', () => {
  it('goes on when any one of them is killed, with the nodes that there were', async (t) => {
    const ensemble = await ZooKeeperEnsemble.start();
    const { addresses } = ensemble;
    const [registry, other] = [0, 1].map(
      () => new ZooKeeperRegistry({ addresses, connectTimeoutMs: 30_000 }, parts()),
    );
    assert.ok(registry !== undefined && other !== undefined);
    await registry.start();
    await other.start();
    try {
      const told = new Told(other.watch({ service: 'greeter' }));
      await eventually(other, []);
      const ids: string[] = [];
      for (const n of addresses.keys()) {
        await ensemble.kill(n);
        const begin = Date.now();
        ids.push(`a${n}`);
        while (
          !(await registry.register(record(`a${n}`)).then(
            () => true,
            () => false,
          ))
        )
          await wait(20);
        await told.until(`create a${n}`);
        await eventually(other, ids);
        t.diagnostic(`works again ${Date.now() - begin} ms after member ${n} was killed`);
        await ensemble.run(n);
      }
    } finally {
      registry.stop();
      other.stop();
      await ensemble.stop();
    }
  });
});
