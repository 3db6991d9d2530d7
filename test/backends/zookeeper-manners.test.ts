import { describe } from 'node:test';
import { ZooKeeperRegistry } from '../../src/registry/zookeeper.js';
import { parts } from '../support/parts.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';
import { registryManners } from './support/registry-manners.js';

describe('the zookeeper registry', () => {
  registryManners({
    names: ['zookeeper'],
    start: () => ZooKeeperServer.start(),
    make: (addresses) => new ZooKeeperRegistry({ addresses }, parts()),
  });
});
