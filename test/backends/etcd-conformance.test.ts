import { after, before, describe, test } from 'node:test';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { conform } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: EtcdServer;
let prefix = '';
let tests = 0;
before(async () => {
  server = await EtcdServer.start();
});
after(() => server.stop());
// Each test has a part of the keys to itself.
test.beforeEach(() => {
  prefix = `/test-${tests++}/`;
});

function registry(): EtcdRegistry {
  return new EtcdRegistry({ addresses: [server.address], prefix }, parts());
}

describe('EtcdRegistry', () => {
  conform(test, registrySuite, registry);
});

describe('a wrapped EtcdRegistry', () => {
  conform(test, registrySuite, () => wrapped(registry()));
});
