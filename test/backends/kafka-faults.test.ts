import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { KafkaBroker, type KafkaBrokerOptions } from '../../src/broker/kafka.js';
import { KafkaServer } from '../support/kafka-server.js';
import {
  BrokerBench,
  event,
  failure,
  Got,
  publishUntilConfirmed,
  textOf,
  timed,
} from './support/broker-bench.js';

let server: KafkaServer;
before(async () => {
  server = await KafkaServer.start({
    properties: { 'num.partitions': 4, 'group.min.session.timeout.ms': 1_000 },
  });
});
after(() => server.stop());

function withBench(run: (bench: BrokerBench<KafkaBrokerOptions>) => Promise<void>): () => Promise<void> {
  return () =>
    BrokerBench.with(
      (options, parts) => new KafkaBroker({ addresses: [server.address], ...options }, parts),
      run,
    );
}

function fresh(what: string): string {
  return `${what}-${randomUUID().slice(0, 8)}`;
}

describe('what a Kafka server holds together', { concurrency: true }, () => {
  it(
    'is in order for each key, with many handlers at once and several partitions',
    withBench(async (bench) => {
      const broker = await bench.started({ concurrency: 16 });
      const topic = fresh('keys');
      const got: string[] = [];
      let most = 0;
      let now = 0;
      let done = (): void => {};
      const all = new Promise<void>((resolve) => (done = resolve));
      await broker.subscribe(topic, async (delivery) => {
        most = Math.max(most, ++now);
        await wait(Math.random() * 3);
        now--;
        got.push(textOf(delivery));
        if (got.length === 200) done();
      });
      const sent = Array.from({ length: 200 }, (_, n) => `${n % 20}:${n}`);
      await Promise.all(
        sent.map((each) => broker.publish(topic, event(each), { key: each.split(':')[0] ?? '' })),
      );
      await all;
      for (let key = 0; key < 20; key++) {
        const ofKey = (texts: readonly string[]): string[] =>
          texts.filter((each) => each.startsWith(`${key}:`));
        assert.deepEqual(ofKey(got), ofKey(sent));
      }
      assert.ok(most > 1 && most <= 16, `${most} handlers at once`);
    }),
  );

  it(
    'is shared by the members of a queue, also those that come and go, and nothing is lost',
    withBench(async (bench) => {
      const topic = fresh('shared');
      const counts = [0, 0];
      const got = new Got();
      const join = async (at: number): Promise<{ unsubscribe(): Promise<void> }> =>
        (await bench.started({})).subscribe(
          topic,
          (delivery) => {
            counts[at] = (counts[at] ?? 0) + 1;
            got.handler(delivery);
          },
          { queue: 'q' },
        );
      await join(0);
      const publisher = await bench.started({});
      const send = async (from: number): Promise<void> => {
        const texts = Array.from({ length: 40 }, (_, n) => String(from + n));
        for (const each of texts) await publisher.publish(topic, event(each));
        await got.has(...texts);
      };
      await send(0);
      const second = await join(1);
      await send(100);
      assert.ok((counts[1] ?? 0) >= 10, `the second member got ${counts[1]} of 40`);
      assert.ok((counts[0] ?? 0) >= 50, `the first member got ${counts[0]} of 80`);
      await second.unsubscribe();
      await send(200);
      assert.equal(new Set(got.texts).size, 120);
    }),
  );

  it(
    'is for each topic apart where one queue has several',
    withBench(async (bench) => {
      const topics = [fresh('one'), fresh('two'), fresh('three')];
      const gots = topics.map(() => new Got());
      for (const [at, topic] of topics.entries())
        await (
          await bench.started({})
        ).subscribe(topic, gots[at]?.handler ?? (() => {}), { queue: 'several' });
      const publisher = await bench.started({});
      for (const topic of topics)
        for (let n = 0; n < 20; n++)
          await publisher.publish(topic, event(`${topic} ${n}`), { key: String(n) });
      for (const [at, topic] of topics.entries()) {
        const wanted = Array.from({ length: 20 }, (_, n) => `${topic} ${n}`);
        await gots[at]?.has(...wanted);
        assert.deepEqual(new Set(gots[at]?.texts), new Set(wanted));
      }
    }),
  );

  it(
    'comes once to a handler that takes longer than a session lasts',
    withBench(async (bench) => {
      const broker = await bench.started({ sessionTimeoutMs: 3_000 });
      const topic = fresh('slow');
      const got = new Got();
      await broker.subscribe(topic, async (delivery) => {
        await wait(5_000);
        got.handler(delivery);
      });
      await broker.publish(topic, event('slow'));
      await got.has('slow');
      assert.deepEqual(got.texts, ['slow']);
    }),
  );

  it(
    'is held back by what a handler is busy with, up to the prefetch',
    withBench(async (bench) => {
      const broker = await bench.started({ concurrency: 2, prefetch: 4 });
      const topic = fresh('bound');
      const got = new Got();
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => (open = resolve));
      await broker.subscribe(
        topic,
        async (delivery) => {
          got.handler(delivery);
          await gate;
        },
        { autoAck: false },
      );
      for (let n = 0; n < 10; n++) await broker.publish(topic, event(String(n)), { key: String(n) });
      while (got.texts.length < 2) await wait(10);
      await wait(300);
      assert.equal(got.texts.length, 2);
      open();
      // Nobody acknowledges: as many as the prefetch are handed out, and no more.
      while (got.texts.length < 4) await wait(10);
      await wait(300);
      assert.equal(got.texts.length, 4);
    }),
  );

  it(
    'goes on beside what is refused time and again, and what is no event',
    withBench(async (bench) => {
      const broker = await bench.started({});
      const topic = fresh('poison');
      const got = new Got();
      await broker.subscribe(topic, (delivery) => {
        if (textOf(delivery) === 'poison') throw new Error('no');
        got.handler(delivery);
      });
      await broker.publish(topic, event('poison'), { key: 'k' });
      await raw(topic, 'no JSON');
      await raw(topic, '{"Header":{},"Body":"%"}');
      for (let n = 0; n < 100; n++) await broker.publish(topic, event(String(n)), { key: 'k' });
      await got.has('99');
      assert.equal(new Set(got.texts).size, 100);
      const unread = bench.logger.records.filter(({ message }) => message.includes('cannot be read'));
      assert.equal(
        new Set(unread.map(({ fields }) => `${String(fields['partition'])} ${String(fields['offset'])}`))
          .size,
        2,
      );
    }),
  );

  it(
    'is heard of every partition, also of such as are added later',
    withBench(async (bench) => {
      const topic = fresh('grown');
      const { Admin } = await import('@platformatic/kafka');
      const admin = new Admin({ clientId: 'raw', bootstrapBrokers: [server.address] });
      await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
      const broker = await bench.started({});
      const got = new Got();
      await broker.subscribe(topic, got.handler, { queue: 'grown' });
      await broker.publish(topic, event('before'));
      await admin.createPartitions({
        topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] }],
      });
      await admin.close();
      const text = `{"Header":{},"Body":"${Buffer.from('late').toString('base64')}"}`;
      await raw(topic, text, 2);
      await got.has('before', 'late');
      assert.deepEqual(new Set(got.texts), new Set(['before', 'late']));
    }),
  );

  it(
    'is refused where it is more than the server takes, which harms no neighbour',
    withBench(async (bench) => {
      const broker = await bench.started({ maxMessageBytes: 4 * 1024 * 1024 });
      const topic = fresh('large');
      const large = { ...event(''), body: Buffer.alloc(2 * 1024 * 1024) };
      const [first, error, last] = await Promise.allSettled([
        broker.publish(topic, event('a'), { key: 'k' }),
        broker.publish(topic, large, { key: 'k' }),
        broker.publish(topic, event('b'), { key: 'k' }),
      ]);
      assert.equal(first.status, 'fulfilled');
      assert.equal(last.status, 'fulfilled');
      const { code, message } = await failure(() => {
        if (error.status === 'rejected') throw error.reason;
      });
      assert.equal(code, 'resource_exhausted');
      assert.match(message, /message\.max\.bytes/);
    }),
  );

  it(
    'has no topic of such a name',
    withBench(async (bench) => {
      const broker = await bench.started({});
      for (const topic of ['', '..', 'a/b', 'ü', 'x'.repeat(250)]) {
        assert.equal((await failure(() => broker.publish(topic, event('x')))).code, 'invalid_argument');
        assert.equal((await failure(() => broker.subscribe(topic, () => {}))).code, 'invalid_argument');
      }
    }),
  );
});

describe('a Kafka server that dies', () => {
  for (const [how, restart] of [
    ['', () => server.restart()],
    [' and has lost everything', () => server.restartEmpty()],
  ] as const)
    it(`and comes back${how} is got over by itself`, (t: TestContext) =>
      withBench(async (bench) => {
        const [publisher, subscriber] = [await bench.started({}), await bench.started({})];
        const topic = fresh('killed');
        const [queued, all] = [new Got(), new Got()];
        await subscriber.subscribe(topic, queued.handler, { queue: 'q' });
        await subscriber.subscribe(topic, all.handler);
        await publisher.publish(topic, event('before'));
        await queued.has('before');
        await server.kill();
        const error = await failure(() => publisher.publish(topic, event('lost')));
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, /127\.0\.0\.1:\d+: connect ECONNREFUSED/);
        await restart();
        const ms = await timed(async () => {
          await publishUntilConfirmed(publisher, topic, 'after');
          await Promise.all([queued.has('after'), all.has('after')]);
        });
        t.diagnostic(`${Math.round(ms)} ms from the open port to the first event`);
        assert.ok(ms < 8_000, `${ms} ms`);
      })());

  it('while a handler is busy and all it may hold is held, is got over all the same', () =>
    withBench(async (bench) => {
      const broker = await bench.started({ prefetch: 2, sessionTimeoutMs: 3_000 });
      const topic = fresh('busy');
      const got = new Got();
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => (open = resolve));
      let begun = (): void => {};
      const busy = new Promise<void>((resolve) => (begun = resolve));
      await broker.subscribe(topic, async (delivery) => {
        begun();
        await gate;
        got.handler(delivery);
      });
      const texts = Array.from({ length: 10 }, (_, n) => String(n));
      for (const each of texts) await broker.publish(topic, event(each), { key: 'k' });
      await busy;
      await server.kill();
      await server.restart();
      await publishUntilConfirmed(broker, topic, 'after');
      open();
      await got.has(...texts, 'after');
    })());

  it('and hangs leaves no publish and no stop without an end, and is got over when it goes on', (t: TestContext) =>
    withBench(async (bench) => {
      const [publisher, subscriber] = [await bench.started({ timeoutMs: 1_000 }), await bench.started({})];
      const leaving = await bench.started({});
      const topic = fresh('hangs');
      const got = new Got();
      await subscriber.subscribe(topic, got.handler, { queue: 'q' });
      await leaving.subscribe(topic, () => {});
      await publisher.publish(topic, event('before'));
      await got.has('before');
      await server.pause();
      const resumed = wait(10_000).then(() => server.resume());
      const publishing = publishUntilConfirmed(publisher, topic, 'after');
      const ms = await timed(() => leaving.stop());
      assert.ok(ms < 7_000, `a stop took ${ms} ms`);
      await resumed;
      const back = await timed(async () => {
        assert.ok((await publishing).has('deadline_exceeded'));
        await got.has('after');
      });
      t.diagnostic(`${Math.round(back)} ms from the end of the freeze to the first event`);
      assert.ok(back < 8_000, `${back} ms`);
    })());
});

describe('the start of the kafka broker', () => {
  it(
    'says what it tried, and for how long, where there is no server',
    withBench(async (bench) => {
      // Nobody listens on the port that a TCP multiplexer has.
      const broker = bench.make({ addresses: ['127.0.0.1:1'], connectTimeoutMs: 600 });
      let message = '';
      const ms = await timed(async () => ({ message } = await failure(() => broker.start())));
      assert.ok(ms < 3_000, `${ms} ms`);
      assert.match(
        message,
        /found no Kafka server at 127\.0\.0\.1:1 within \d+ ms: .*ECONNREFUSED.*set addresses/,
      );
    }),
  );

  it(
    'opens once when it is asked for twice at once, and not at all when it is stopped meanwhile',
    withBench(async (bench) => {
      const broker = bench.make({});
      await Promise.all([broker.start(), broker.start()]);
      await broker.publish(fresh('start'), event('x'));
      const stopped = bench.make({ addresses: ['127.0.0.1:1'] });
      const starting = failure(() => stopped.start());
      await stopped.stop();
      assert.equal((await starting).code, 'unavailable');
    }),
  );
});

/** Publishes what no broker of ours would. */
async function raw(topic: string, value: string, partition?: number): Promise<void> {
  const { Producer } = await import('@platformatic/kafka');
  const producer = new Producer({ clientId: 'raw', bootstrapBrokers: [server.address] });
  await producer.send({
    acks: -1,
    messages: [
      {
        topic,
        value: Buffer.from(value),
        key: Buffer.from('k'),
        ...(partition !== undefined && { partition }),
      },
    ],
  });
  await producer.close();
}
