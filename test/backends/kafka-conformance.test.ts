import { after, before, describe, test } from 'node:test';
import { KafkaBroker } from '../../src/broker/kafka.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { KafkaServer } from '../support/kafka-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: KafkaServer;
// One each: what one queue has not seen waits for the next of the same name.
async function start(): Promise<void> {
  // The suite has events of 1 MiB, more than a server takes unless it is told.
  server = await KafkaServer.start({ properties: { 'message.max.bytes': 4 * 1024 * 1024 } });
}

function broker(): KafkaBroker {
  return new KafkaBroker({ addresses: [server.address], maxMessageBytes: 2 * 1024 * 1024 }, parts());
}

describe('KafkaBroker', () => {
  before(start);
  after(() => server.stop());
  conform(test, brokerSuite, broker);
});

describe('a wrapped KafkaBroker', () => {
  before(start);
  after(() => server.stop());
  conform(test, brokerSuite, () => wrapped(broker()));
});
