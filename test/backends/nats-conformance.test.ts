import { after, before, describe, test } from 'node:test';
import { NatsTransport } from '../../src/transport/nats.js';
import { conform } from '../conformance/conform.js';
import { transportSuite } from '../conformance/transport.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: NatsServer;
before(async () => {
  server = await NatsServer.start();
});
after(() => server.stop());

describe('NatsTransport', () => {
  conform(test, transportSuite, () => new NatsTransport({ addresses: [server.address] }, parts()));
});

describe('a wrapped NatsTransport', () => {
  conform(test, transportSuite, () => wrapped(new NatsTransport({ addresses: [server.address] }, parts())));
});
