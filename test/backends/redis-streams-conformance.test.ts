import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { RedisStreamsBroker } from '../../src/broker/redis-streams.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { parts } from '../support/parts.js';
import { RedisServer } from '../support/redis-server.js';
import { wrapped } from '../support/wrapped.js';

let server: RedisServer;
let prefix = '';
before(async () => {
  server = await RedisServer.start();
});
after(() => server.stop());
beforeEach(() => {
  prefix = `${randomUUID()}:`;
});

function broker(): RedisStreamsBroker {
  return new RedisStreamsBroker({ addresses: [server.address], prefix }, parts());
}

describe('RedisStreamsBroker', () => {
  conform(test, brokerSuite, broker);
});

describe('a wrapped RedisStreamsBroker', () => {
  conform(test, brokerSuite, () => wrapped(broker()));
});
