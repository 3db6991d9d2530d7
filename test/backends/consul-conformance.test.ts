import { after, before, describe, test } from 'node:test';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { conform } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { ConsulServer } from '../support/consul-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: ConsulServer;
before(async () => {
  server = await ConsulServer.start();
});
after(() => server.stop());
// Each test has the agent to itself.
test.beforeEach(() => server.clear());

function registry(): ConsulRegistry {
  return new ConsulRegistry({ addresses: [server.address] }, parts());
}

describe('ConsulRegistry', () => {
  conform(test, registrySuite, registry);
});

describe('a wrapped ConsulRegistry', () => {
  conform(test, registrySuite, () => wrapped(registry()));
});
