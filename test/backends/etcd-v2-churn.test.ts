import { describe, it } from 'node:test';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { churn } from './support/registry-churn.js';

describe('a watch of the etcd-v2 registry', () => {
  it('is a fresh list after 200 changes, with an etcd that is killed, emptied and frozen', async (t) => {
    const server = await EtcdServer.start({ args: ['--enable-v2'] });
    try {
      const report = await churn({
        fresh: () => new EtcdV2Registry({ addresses: [server.address] }, parts()),
        server,
        // Sooner than a node that nobody wants any more would go by itself.
        settleMs: 10_000,
        disasters: ['restart', 'empty', 'freeze', 'restart', 'empty'],
      });
      t.diagnostic(JSON.stringify(report));
    } finally {
      await server.stop();
    }
  });
});
