import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { KafkaBroker } from '../../src/broker/kafka.js';
import { Metadata } from '../../src/core/metadata.js';
import { buildGo, GoProgram } from '../support/go-program.js';
import { KafkaServer } from '../support/kafka-server.js';
import { parts } from '../support/parts.js';
import { event, Got } from './support/broker-bench.js';

const path = buildGo('test/backends/peers/kafka-go');

describe('the kafka broker beside that of go-micro', { skip: path === undefined }, () => {
  let server: KafkaServer;
  before(async () => {
    server = await KafkaServer.start({
      properties: { 'num.partitions': 4, 'broker.session.timeout.ms': 9_000 },
    });
  });
  after(() => server.stop());

  it('hears what Go publishes, and is heard by Go', async () => {
    const broker = new KafkaBroker({ addresses: [server.address] }, parts());
    await broker.start();
    await using go = await GoProgram.start(path ?? '', [server.address]);
    try {
      const got: { header: Record<string, string>; text: string }[] = [];
      let heard = (): void => {};
      const first = new Promise<void>((resolve) => (heard = resolve));
      await broker.subscribe('from-go', ({ message }) => {
        got.push({ header: message.header.toObject(), text: Buffer.from(message.body).toString() });
        heard();
      });
      const header = { 'Content-Type': 'application/json', 'Micro-Topic': 'from-go', Foo: 'é 日本' };
      await go.ask({ do: 'publish', topic: 'from-go', header, body: '{"name":"Ada"}' });
      await first;
      assert.deepEqual({ ...got[0]?.header }, header);
      assert.equal(got[0]?.text, '{"name":"Ada"}');

      await broker.publish('to-go', event('early'));
      await go.ask({ do: 'subscribe', topic: 'to-go', queue: 'gophers' });
      // It says that it has subscribed before it has.
      const hears = go.next('message');
      let heardByGo = false;
      void hears.then(() => (heardByGo = true));
      while (!heardByGo) {
        await broker.publish('to-go', {
          header: new Metadata({ 'Content-Type': 'text/plain', Foo: 'bar' }),
          body: Buffer.from('hello'),
        });
        await wait(50);
      }
      const fact = await hears;
      assert.equal(fact['body'], 'hello');
      assert.deepEqual(fact['header'], {
        'Content-Type': 'text/plain',
        Foo: 'bar',
        'Micro-Topic': 'to-go',
      });
    } finally {
      await broker.stop();
    }
  });

  it('shares a queue with Go', async () => {
    const broker = new KafkaBroker({ addresses: [server.address] }, parts());
    await broker.start();
    await using go = await GoProgram.start(path ?? '', [server.address]);
    try {
      const ours = new Got();
      const theirs = new Set<string>();
      await broker.subscribe('shared', ours.handler, { queue: 'both' });
      await go.ask({ do: 'subscribe', topic: 'shared', queue: 'both' });
      void (async () => {
        for (;;) theirs.add(String((await go.next('message'))['body']));
      })();
      // Until Go has joined, all is ours.
      for (let n = 0; theirs.size === 0 && n < 400; n++) {
        await broker.publish('shared', event(`early ${n}`), { key: String(n) });
        await wait(25);
      }
      const sent = Array.from({ length: 40 }, (_, n) => `late ${n}`);
      for (const each of sent) await broker.publish('shared', event(each), { key: each });
      const all = (): string[] => sent.filter((each) => ours.texts.includes(each) || theirs.has(each));
      while (all().length < sent.length) await wait(20);
      assert.ok(
        sent.some((each) => ours.texts.includes(each)),
        'some are ours',
      );
      assert.ok(
        sent.some((each) => theirs.has(each)),
        'some are theirs',
      );
    } finally {
      await broker.stop();
    }
  });
});
