import { afterEach, beforeEach, describe, test } from 'node:test';
import { NsqBroker } from '../../src/broker/nsq.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { NsqServer } from '../support/nsq-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

/** One for each test: what one queue has not seen waits for the next of the same name. */
let server: NsqServer;
beforeEach(async () => {
  // The suite has events of 1 MiB, more than a server takes unless it is told.
  server = await NsqServer.start({ args: ['-max-msg-size=4194304', '-max-body-size=8388608'] });
});
afterEach(() => server.stop());

function broker(): NsqBroker {
  return new NsqBroker({ addresses: [server.address], maxMessageBytes: 2 * 1024 * 1024 }, parts());
}

describe('NsqBroker', () => {
  conform(test, brokerSuite, broker);
});

describe('a wrapped NsqBroker', () => {
  conform(test, brokerSuite, () => wrapped(broker()));
});
