import { describe } from 'node:test';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { registryManners } from './support/registry-manners.js';

describe('the etcd-v2 registry', () => {
  registryManners({
    names: ['etcd-v2'],
    start: () => EtcdServer.start({ args: ['--enable-v2'] }),
    make: (addresses) => new EtcdV2Registry({ addresses }, parts()),
  });
});
