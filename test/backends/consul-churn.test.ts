import { describe, it } from 'node:test';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { ConsulServer } from '../support/consul-server.js';
import { parts } from '../support/parts.js';
import { churn } from './support/registry-churn.js';

describe('a watch of the consul registry', () => {
  it('is a fresh list after 200 changes, with a Consul that is killed, emptied and frozen', async (t) => {
    const server = await ConsulServer.start({ remembers: true });
    try {
      const report = await churn({
        fresh: () => new ConsulRegistry({ addresses: [server.address] }, parts()),
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
