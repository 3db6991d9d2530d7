import { describe } from 'node:test';
import { ZooKeeperRegistry } from '../../src/registry/zookeeper.js';
import { parts } from '../support/parts.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';
import { registryTls } from './support/registry-tls.js';

describe('the zookeeper registry over TLS', () => {
  registryTls({
    name: 'zookeeper',
    start: (tls) => ZooKeeperServer.start({ tls }),
    make: (address, tls = {}) => {
      // Its addresses have no scheme.
      const addresses = [address.replace('https://', '')];
      return new ZooKeeperRegistry({ addresses, connectTimeoutMs: 2_000, tls }, parts());
    },
  });
});
