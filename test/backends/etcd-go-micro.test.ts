import { describe } from 'node:test';
import { etcd } from '../../src/registry/etcd.js';
import { EtcdServer } from '../support/etcd-server.js';
import { besideGo, path } from './support/registry-go.js';

describe('the etcd registry beside that of go-micro', { skip: path === undefined }, () => {
  besideGo({
    name: 'etcd',
    start: () => EtcdServer.start(),
    provide: (address) => etcd({ addresses: [address] }),
  });
});
