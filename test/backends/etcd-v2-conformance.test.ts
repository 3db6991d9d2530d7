import { after, before, describe, test } from 'node:test';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import { conform } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: EtcdServer;
let prefix = '';
let tests = 0;
before(async () => {
  server = await EtcdServer.start({ args: ['--enable-v2'] });
});
after(() => server.stop());
// Each test has a part of the keys to itself.
test.beforeEach(() => {
  prefix = `/test-${tests++}/`;
});

function registry(): EtcdV2Registry {
  return new EtcdV2Registry({ addresses: [server.address], prefix }, parts());
}

describe('EtcdV2Registry', () => {
  conform(test, registrySuite, registry);
});

describe('a wrapped EtcdV2Registry', () => {
  conform(test, registrySuite, () => wrapped(registry()));
});
