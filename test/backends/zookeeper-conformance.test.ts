import { after, before, beforeEach, describe, test } from 'node:test';
import { ZooKeeperRegistry } from '../../src/registry/zookeeper.js';
import { conform } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';

let server: ZooKeeperServer;
let root = 0;
before(async () => {
  server = await ZooKeeperServer.start();
});
after(() => server.stop());
// The registries of one test share a part of the tree.
beforeEach(() => root++);

function make(): ZooKeeperRegistry {
  return new ZooKeeperRegistry({ addresses: [server.address], root: `/octavo/test-${root}` }, parts());
}

describe('ZooKeeperRegistry', () => {
  conform(test, registrySuite, make);
});

describe('a wrapped ZooKeeperRegistry', () => {
  conform(test, registrySuite, () => wrapped(make()));
});
