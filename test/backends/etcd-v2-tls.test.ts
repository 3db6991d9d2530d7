import { describe } from 'node:test';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { registryTls } from './support/registry-tls.js';

describe('the etcd-v2 registry over TLS', () => {
  registryTls({
    name: 'etcd-v2',
    start: (tls) => EtcdServer.start({ args: ['--enable-v2'], tls }),
    make: (address, tls) =>
      new EtcdV2Registry({ addresses: [address], connectTimeoutMs: 2_000, ...(tls && { tls }) }, parts()),
  });
});
