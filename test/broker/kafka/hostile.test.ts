import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KafkaBroker } from '../../../src/broker/kafka.js';
import { OctavoError } from '../../../src/core/error.js';
import { FakeServer, GARBAGE } from '../../support/garbage.js';
import { parts } from '../../support/parts.js';

describe('a server that is no Kafka', { concurrency: true }, () => {
  for (const [what, bytes] of Object.entries(GARBAGE))
    it(`and answers with ${what} fails the start, and nothing else`, async () => {
      await using server = await FakeServer.start((socket) => socket.once('data', () => socket.write(bytes)));
      const broker = new KafkaBroker({ addresses: [server.address], connectTimeoutMs: 300 }, parts());
      await assert.rejects(
        () => broker.start(),
        (reason) => reason instanceof OctavoError && reason.code === 'unavailable',
      );
      await broker.stop();
    });
});

describe('options of the kafka broker that cannot work', () => {
  it('are refused by name', () => {
    for (const options of [{ addresses: [] }, { concurrency: 0 }, { concurrency: 4, prefetch: 2 }])
      assert.throws(
        () => new KafkaBroker(options, parts()),
        (reason) => reason instanceof OctavoError && reason.code === 'failed_precondition',
      );
  });
});
