import { after, before, describe, test } from 'node:test';
import { NatsBroker } from '../../src/broker/nats.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: NatsServer;
before(async () => {
  // A body of 1 MiB is a third larger on the wire, where a server takes 1 MiB unless it is told otherwise.
  server = await NatsServer.start({ config: 'max_payload: 2MB' });
});
after(() => server.stop());

const make = (): NatsBroker => new NatsBroker({ addresses: [server.address] }, parts());

describe('NatsBroker', () => {
  conform(test, brokerSuite, make);
});

describe('a wrapped NatsBroker', () => {
  conform(test, brokerSuite, () => wrapped(make()));
});

describe('NatsBroker with many events in hand at once', () => {
  conform(test, brokerSuite, () => new NatsBroker({ addresses: [server.address], concurrency: 8 }, parts()));
});
