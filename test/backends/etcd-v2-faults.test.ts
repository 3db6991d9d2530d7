import { describe } from 'node:test';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { registryFaults } from './support/registry-faults.js';

describe('the etcd-v2 registry', () => {
  registryFaults({
    name: 'etcd-v2',
    server: 'etcd',
    start: () => EtcdServer.start({ args: ['--enable-v2'] }),
    make: (address, options) => new EtcdV2Registry({ addresses: [address], ...options }, parts()),
    leastTtlMs: 2_000,
    recoversMs: 3_000,
  });
});
