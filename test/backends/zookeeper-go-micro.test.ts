import { describe } from 'node:test';
import { zookeeper } from '../../src/registry/zookeeper.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';
import { besideGo, path } from './support/registry-go.js';

describe('the zookeeper registry beside that of go-micro', { skip: path === undefined }, () => {
  besideGo({
    name: 'zookeeper',
    start: () => ZooKeeperServer.start(),
    deaf: 'it watches what is there when it begins, and ends where that is nothing',
    provide: (address) => zookeeper({ addresses: [address] }),
  });
});
