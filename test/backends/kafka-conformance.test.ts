import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { KafkaBroker } from '../../src/broker/kafka.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { KafkaServer } from '../support/kafka-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';
import { serviceEvents } from './support/service-events.js';

let server: KafkaServer;
before(async () => {
  // The suite has events of 1 MiB, more than a server takes unless it is told.
  server = await KafkaServer.start({
    properties: { 'message.max.bytes': 4 * 1024 * 1024, 'broker.session.timeout.ms': 9_000 },
  });
});
after(() => server.stop());

/** For each test its own: what one queue has not seen waits for the next of the same name. */
let groupPrefix = '';
beforeEach(() => (groupPrefix = `${randomUUID()}.`));

function broker(): KafkaBroker {
  return new KafkaBroker(
    { addresses: [server.address], maxMessageBytes: 2 * 1024 * 1024, groupPrefix },
    parts(),
  );
}

describe('KafkaBroker', () => {
  conform(test, brokerSuite, broker);
});

describe('a wrapped KafkaBroker', () => {
  conform(test, brokerSuite, () => wrapped(broker()));
});

describe('the subscribers of a service on kafka, chosen by variables', () => {
  serviceEvents(test, () => ({ MICRO_BROKER: 'kafka', MICRO_BROKER_ADDRESS: server.address }));
});
