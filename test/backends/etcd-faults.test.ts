import { describe } from 'node:test';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { registryFaults } from './support/registry-faults.js';

describe('the etcd registry', () => {
  registryFaults({
    name: 'etcd',
    server: 'etcd',
    start: () => EtcdServer.start(),
    make: (address, options) => new EtcdRegistry({ addresses: [address], ...options }, parts()),
    leastTtlMs: 2_000,
    recoversMs: 3_000,
  });
});
