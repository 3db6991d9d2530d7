import { describe } from 'node:test';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { ConsulServer } from '../support/consul-server.js';
import { parts } from '../support/parts.js';
import { registryFaults } from './support/registry-faults.js';

describe('the consul registry', () => {
  registryFaults({
    name: 'consul',
    server: 'Consul',
    start: () => ConsulServer.start({ remembers: true }),
    make: (address, options) => new ConsulRegistry({ addresses: [address], ...options }, parts()),
    leastTtlMs: 2_000,
    recoversMs: 15_000,
  });
});
