import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { NatsJetStreamBroker, type NatsJetStreamBrokerOptions } from '../../src/broker/nats-jetstream.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: NatsServer;
before(async () => {
  // A body of 1 MiB is a third larger on the wire, where a server takes 1 MiB unless it is told otherwise.
  server = await NatsServer.start({ jetStream: true, config: 'max_payload: 2MB' });
});
after(() => server.stop());

/** Each promise has a stream of its own: a queue is remembered for a while. */
let stream = '';
beforeEach(() => {
  stream = randomUUID();
});

function make(options: NatsJetStreamBrokerOptions = {}): NatsJetStreamBroker {
  return new NatsJetStreamBroker(
    { addresses: [server.address], stream, prefix: `${stream}.`, maxBytes: 64 * 1024 * 1024, ...options },
    parts(),
  );
}

describe('NatsJetStreamBroker', () => {
  conform(test, brokerSuite, () => make());
});

describe('a wrapped NatsJetStreamBroker', () => {
  conform(test, brokerSuite, () => wrapped(make()));
});

describe('NatsJetStreamBroker with many events in hand at once', () => {
  conform(test, brokerSuite, () => make({ concurrency: 8 }));
});
