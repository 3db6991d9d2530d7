import { after, before, describe, test } from 'node:test';
import { RedisBroker } from '../../src/broker/redis.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { parts } from '../support/parts.js';
import { RedisServer } from '../support/redis-server.js';
import { wrapped } from '../support/wrapped.js';

let server: RedisServer;
before(async () => {
  server = await RedisServer.start();
});
after(() => server.stop());

describe('RedisBroker', () => {
  conform(test, brokerSuite, () => new RedisBroker({ addresses: [server.address] }, parts()));
});

describe('a wrapped RedisBroker', () => {
  conform(test, brokerSuite, () => wrapped(new RedisBroker({ addresses: [server.address] }, parts())));
});
