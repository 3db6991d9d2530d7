import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AsyncMessage } from 'rabbitmq-client';
import { RabbitBroker } from '../../src/broker/rabbitmq.js';
import { defaultQueueName, queueOf, waitingRoom } from '../../src/broker/rabbitmq/names.js';
import { againAt, dueAt, readEvent } from '../../src/broker/rabbitmq/wire.js';
import { parts } from '../support/parts.js';

function came(headers: Record<string, unknown>): AsyncMessage {
  return {
    consumerTag: '',
    deliveryTag: 1,
    redelivered: false,
    exchange: 'micro',
    routingKey: 'key',
    headers,
    body: Buffer.from('x'),
  };
}

describe('the queues of the rabbitmq broker', () => {
  const topology = {
    exchange: 'micro',
    durableExchange: false,
    queueName: defaultQueueName,
    queueArguments: { 'x-queue-type': 'quorum' },
  };

  it('are one for each queue and topic, and the durable ones apart, with their arguments', () => {
    assert.deepEqual(queueOf('t', {}, topology), { queue: '', exclusive: true, autoDelete: true });
    assert.deepEqual(queueOf('t', { queue: 'q' }, topology), { queue: 'q.t', autoDelete: true });
    assert.deepEqual(queueOf('t', { queue: 'q', durable: true }, topology), {
      queue: 'q.t.durable',
      durable: true,
      arguments: { 'x-queue-type': 'quorum' },
    });
    assert.throws(() => queueOf('t', { queue: 'q'.repeat(254) }, topology), /takes 256 bytes/);
  });

  it('in which events wait are one for each, and last as long', () => {
    assert.deepEqual(waitingRoom('q.t.durable', { queue: 'q', durable: true }), {
      queue: 'octavo.wait.q.t.durable',
      durable: true,
      exclusive: false,
    });
    const fleeting = { autoDelete: true, arguments: { 'x-expires': 60_000 } };
    assert.deepEqual(waitingRoom('q.t', { queue: 'q' }), {
      queue: 'octavo.wait.q.t',
      exclusive: false,
      ...fleeting,
    });
    assert.deepEqual(waitingRoom('amq.gen-1', {}), {
      queue: 'octavo.wait.amq.gen-1',
      exclusive: true,
      ...fleeting,
    });
  });

  it('in which events wait have a name that fits, however long that of the queue is', () => {
    const [one, other] = ['x', 'y'].map((end) => waitingRoom(`${'q'.repeat(254)}${end}`, {}).queue);
    assert.ok(one !== undefined && one.length < 255);
    assert.notEqual(one, other);
  });
});

describe('an event of the rabbitmq broker', () => {
  it('counts its deliveries by what it says itself, and a quorum queue', () => {
    const attempts: readonly [Record<string, unknown>, number][] = [
      [{}, 1],
      [{ 'Octavo-Attempt': 3 }, 3],
      [{ 'x-delivery-count': 2 }, 3],
      [{ 'Octavo-Attempt': 3, 'x-delivery-count': 1 }, 4],
      [{ 'Octavo-Attempt': -1 }, 1],
      [{ 'Octavo-Attempt': 1e99 }, 1],
      [{ 'Octavo-Attempt': '7', 'x-delivery-count': ['x'] }, 1],
    ];
    for (const [headers, attempt] of attempts) assert.equal(readEvent(came(headers)).attempt, attempt);
  });

  it('that comes again has its topic, its next attempt, and nothing of what RabbitMQ noted', () => {
    const first = came({ A: 'b', 'x-death': [{ count: 1 }], 'x-first-death-queue': 'q' });
    const { headers = {} } = againAt(first, readEvent(first), 1_700_000_000_000.2);
    const due = { 'Octavo-Due': '1700000000001' };
    assert.deepEqual(headers, { A: 'b', 'Octavo-Topic': 'key', 'Octavo-Attempt': 2, ...due });
    assert.deepEqual(
      [dueAt(came(headers)), dueAt(came({})), dueAt(came({ 'Octavo-Due': 'soon' }))],
      [1_700_000_000_001, 0, 0],
    );
    const second = readEvent({ ...came(headers), routingKey: 'q' });
    assert.deepEqual([second.topic, second.attempt], ['key', 2]);
    assert.deepEqual(second.message.header.toJSON(), { A: 'b', 'Micro-Topic': 'key' });
  });

  it('with a header over the limits is refused', () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`h${n}`, 'x']));
    for (const headers of [many, { Long: 'x'.repeat(70_000) }])
      assert.throws(() => readEvent(came(headers)), { code: 'resource_exhausted' });
  });
});

describe('the options of the rabbitmq broker', () => {
  it('are shown without what is secret, and refused where they make no sense', () => {
    const addresses = ['amqp://ada:hunter2@h'];
    const broker = new RabbitBroker({ addresses, user: 'ada', pass: 'hunter2', concurrency: 4 }, parts());
    assert.doesNotMatch(JSON.stringify(broker.options), /ada|hunter2/);
    assert.deepEqual([broker.guarantees.ordering, broker.address], ['none', '']);
    for (const wrong of [{ concurrency: 0 }, { prefetch: 1.5 }, { concurrency: 9, prefetch: 8 }])
      assert.throws(() => new RabbitBroker(wrong, parts()), { code: 'failed_precondition' });
    assert.throws(() => new RabbitBroker({ exchange: 'x'.repeat(250) }, parts()), {
      code: 'invalid_argument',
    });
    assert.throws(() => new RabbitBroker({ addresses: ['http://ada:hunter2@h'] }, parts()), /no address/);
  });

  it('name several servers by what a list of the library can hold', async () => {
    const broker = new RabbitBroker({ addresses: ['[::1]:1', 'h'] }, parts());
    await assert.rejects(() => broker.start(), /an IPv6 address of a RabbitMQ server stands alone/);
  });
});
