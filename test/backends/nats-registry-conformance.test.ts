import { after, before, describe, test } from 'node:test';
import { NatsRegistry } from '../../src/registry/nats.js';
import { conform } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: NatsServer;
before(async () => {
  server = await NatsServer.start();
});
after(() => server.stop());

const make = (): NatsRegistry => new NatsRegistry({ addresses: [server.address] }, parts());

describe('NatsRegistry', () => {
  conform(test, registrySuite, make);
});

describe('a wrapped NatsRegistry', () => {
  conform(test, registrySuite, () => wrapped(make()));
});
