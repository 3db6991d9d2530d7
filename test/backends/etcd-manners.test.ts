import { describe } from 'node:test';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { registryManners } from './support/registry-manners.js';

describe('the etcd registry', () => {
  registryManners({
    names: ['etcd', 'etcdv3'],
    start: () => EtcdServer.start(),
    make: (addresses) => new EtcdRegistry({ addresses }, parts()),
  });
});
