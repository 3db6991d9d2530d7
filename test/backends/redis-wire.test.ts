import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metadata } from '../../src/core/metadata.js';
import { event, RedisBench, Seen, until } from '../support/redis-bench.js';

/** As go-micro's redis broker publishes: the JSON of its Message. */
function goMessage(header: Readonly<Record<string, string>>, body: string): string {
  return JSON.stringify({ Header: header, Body: Buffer.from(body).toString('base64') });
}

describe('the channels of the redis broker', () => {
  it('carry what a go-micro node reads', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub();
      await broker.start();
      const raw = bench.raw();
      const got: string[] = [];
      raw.on('message', (channel, text) => got.push(`${channel} ${text}`));
      await raw.subscribe('greetings');
      const header = new Metadata({ 'Content-Type': 'application/json', 'Micro-Id': '7', 'Foo-Bar': 'baz' });
      await broker.publish('greetings', { header, body: Buffer.from('{"name":"Ada"}') });
      await until(() => got.length === 1);
      assert.equal(
        got[0],
        'greetings {"Header":{"Content-Type":"application/json","Micro-Id":"7","Foo-Bar":"baz","Micro-Topic":"greetings"},"Body":"eyJuYW1lIjoiQWRhIn0="}',
      );
    }));

  it('are read where a go-micro node writes', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub();
      await broker.start();
      const seen = new Seen();
      await broker.subscribe('greetings', seen.handler);
      const raw = bench.raw();
      const header = { 'Content-Type': 'application/protobuf', 'Micro-ID': 'x', 'Micro-Topic': 'greetings' };
      await raw.publish('greetings', goMessage(header, 'hello'));
      await raw.publish('greetings', '{"Header":null,"Body":null}');
      await until(() => seen.deliveries.length === 2);
      assert.deepEqual(seen.texts, ['hello', '']);
      assert.equal(seen.deliveries[0]?.message.header.get('micro-id'), 'x');
    }));

  it('may carry anything: what is no event is dropped, and logged', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub();
      await broker.start();
      const seen = new Seen();
      await broker.subscribe('topic', seen.handler);
      const raw = bench.raw();
      const strange = [
        '',
        '{',
        'null',
        '"x"',
        '[]',
        '{"Body":5}',
        '{"Body":"$"}',
        goMessage({ a: 'x'.repeat(70_000) }, ''),
      ];
      for (const each of strange) await raw.publish('topic', each);
      await raw.publish('topic', Buffer.from([0xff, 0xfe, 0]));
      await broker.publish('topic', event('fine'));
      await seen.holds('fine');
      // An empty list has no header and no body, which makes an event of nothing.
      assert.deepEqual(seen.texts, ['', 'fine']);
      // Eight of them in a moment are one line, so that nobody floods the log.
      assert.equal(bench.log.match(/is no event, and is dropped/g)?.length, 1);
    }));

  it('are heard once for several subscriptions, and left with the last', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub();
      await broker.start();
      const [one, other] = [new Seen(), new Seen()];
      const subscribers = [
        await broker.subscribe('topic', one.handler),
        await broker.subscribe('topic', other.handler),
      ];
      const raw = bench.raw();
      assert.deepEqual(await raw.pubsub('NUMSUB', 'topic'), ['topic', 1]);
      await subscribers[0]?.unsubscribe();
      await broker.publish('topic', event('x'));
      await other.holds('x');
      assert.deepEqual(one.texts, []);
      await subscribers[1]?.unsubscribe();
      await until(async () => ((await raw.pubsub('NUMSUB', 'topic')) as [string, number])[1] === 0);
    }));

  it('drop what a slow subscriber has no room for, say so, and hold up nobody else', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub({ prefetch: 10 });
      await broker.start();
      const [slow, quick] = [new Seen(), new Seen()];
      let release = (): void => {};
      const gate = new Promise<void>((resolve) => (release = resolve));
      await broker.subscribe('topic', async (delivery) => {
        await gate;
        slow.handler(delivery);
      });
      await broker.subscribe('topic', quick.handler);
      for (let n = 0; n < 50; n++) await broker.publish('topic', event(`${n}`));
      await quick.holds('49');
      release();
      await slow.holds('9');
      assert.equal(slow.texts.length, 10);
      assert.match(bench.log, /a subscriber is behind, and events are dropped \(prefetch\)/);
      await broker.publish('topic', event('later'));
      await slow.holds('later');
    }));

  it('are matched by patterns where that is asked for, also after a restart', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub({ patterns: true });
      await broker.start();
      const [all, some] = [new Seen(), new Seen()];
      const subscriber = await broker.subscribe('orders.*', all.handler);
      await broker.subscribe('orders.made', some.handler);
      await broker.publish('orders.made', event('a'));
      await broker.publish('orders.paid', event('b'));
      await all.holds('a', 'b');
      assert.deepEqual(
        all.deliveries.map(({ topic }) => topic),
        ['orders.made', 'orders.paid'],
      );
      assert.deepEqual(some.texts, ['a']);
      await bench.server.kill();
      await bench.server.restart();
      await until(async () => {
        await broker.publish('orders.sent', event('c')).catch(() => {});
        return all.texts.includes('c');
      });
      await subscriber.unsubscribe();
      await broker.publish('orders.made', event('d'));
      await some.holds('d');
      assert.ok(!all.texts.includes('d'));
    }));

  it('are names, and no patterns, where nobody asked for it', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub();
      await broker.start();
      const seen = new Seen();
      await broker.subscribe('orders.*', seen.handler);
      await broker.publish('orders.made', event('a'));
      await broker.publish('orders.*', event('b'));
      await seen.holds('b');
      assert.deepEqual(seen.texts, ['b']);
    }));

  it('begin with a prefix where one is set, which nobody sees', () =>
    RedisBench.with(async (bench) => {
      const [broker, other] = [bench.pubsub({ prefix: 'shop*:', patterns: true }), bench.pubsub()];
      const [seen, matched] = [new Seen(), new Seen()];
      for (const each of [broker, other]) await each.start();
      await broker.subscribe('topic', seen.handler);
      await broker.subscribe('t*', matched.handler);
      await other.publish('topic', event('elsewhere'));
      await other.publish('shopX:topic', event('elsewhere'));
      await other.publish('shop*:topic', event('here'));
      await broker.publish('topic', event('too'));
      for (const each of [seen, matched]) {
        await each.holds('here', 'too');
        assert.deepEqual(each.texts, ['here', 'too']);
        assert.ok(each.deliveries.every(({ topic }) => topic === 'topic'));
      }
    }));

  it('warn who names a queue, as there are none', () =>
    RedisBench.with(async (bench) => {
      const broker = bench.pubsub();
      await broker.start();
      await broker.subscribe('topic', () => {}, { queue: 'q' });
      assert.match(bench.log, /redis knows no queues/);
    }));
});
