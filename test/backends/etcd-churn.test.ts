import { describe, it } from 'node:test';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { churn } from './support/registry-churn.js';

describe('a watch of the etcd registry', () => {
  it('is a fresh list after 200 changes, with an etcd that is killed, emptied, frozen and compacted', async (t) => {
    const server = await EtcdServer.start();
    try {
      const report = await churn({
        fresh: () => new EtcdRegistry({ addresses: [server.address] }, parts()),
        server,
        // Sooner than a node that nobody wants any more would go by itself.
        settleMs: 10_000,
        disasters: ['restart', () => server.compact(), 'empty', 'freeze', 'restart', 'empty'],
      });
      t.diagnostic(JSON.stringify(report));
    } finally {
      await server.stop();
    }
  });
});
