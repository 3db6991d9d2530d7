import { describe } from 'node:test';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { registryTls } from './support/registry-tls.js';

describe('the etcd registry over TLS', () => {
  registryTls({
    name: 'etcd',
    start: (tls) => EtcdServer.start({ tls }),
    make: (address, tls) =>
      new EtcdRegistry({ addresses: [address], connectTimeoutMs: 2_000, ...(tls && { tls }) }, parts()),
    verifies: false,
  });
});
