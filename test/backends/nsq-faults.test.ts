import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { NsqBroker, type NsqBrokerOptions } from '../../src/broker/nsq.js';
import { NsqLookup, NsqServer, type NsqServerOptions } from '../support/nsq-server.js';
import {
  BrokerBench,
  event,
  failure,
  Got,
  publishUntilConfirmed,
  textOf,
  timed,
} from './support/broker-bench.js';

type Bench = BrokerBench<NsqBrokerOptions>;

/** Runs with a server of its own. */
async function withServer(
  run: (bench: Bench, server: NsqServer) => Promise<void>,
  options: NsqServerOptions = {},
): Promise<void> {
  const server = await NsqServer.start(options);
  try {
    await BrokerBench.with(
      (given, parts) => new NsqBroker({ addresses: [server.address], ...given }, parts),
      (bench) => run(bench, server),
    );
  } finally {
    await server.stop();
  }
}

describe('what an nsqd holds together', { concurrency: true }, () => {
  it('comes once to a handler that takes longer than the server waits for a word', () =>
    withServer(async (bench) => {
      const broker = await bench.started({ messageTimeoutMs: 1_000 });
      const got = new Got();
      await broker.subscribe('slow', async (delivery) => {
        await wait(3_500);
        got.handler(delivery);
      });
      await broker.publish('slow', event('slow'));
      await got.has('slow');
      await wait(300);
      assert.deepEqual(got.texts, ['slow']);
    }));

  it('goes to another member of a queue when one stops and has said no word on it', () =>
    withServer(async (bench) => {
      const [first, second] = [await bench.started({ messageTimeoutMs: 1_000 }), await bench.started({})];
      let begun = (): void => {};
      const taken = new Promise<void>((resolve) => (begun = resolve));
      await first.subscribe('t', () => begun(), { queue: 'q', autoAck: false });
      await first.publish('t', event('x'));
      await taken;
      const got = new Got();
      await second.subscribe('t', got.handler, { queue: 'q' });
      await first.stop();
      await got.has('x');
    }));

  it('is held back by what a handler is busy with, up to the prefetch', () =>
    withServer(async (bench) => {
      const broker = await bench.started({ concurrency: 2, prefetch: 4 });
      const got = new Got();
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => (open = resolve));
      await broker.subscribe(
        't',
        async (delivery) => {
          got.handler(delivery);
          await gate;
        },
        { autoAck: false },
      );
      for (let n = 0; n < 10; n++) await broker.publish('t', event(String(n)));
      while (got.texts.length < 2) await wait(10);
      await wait(300);
      assert.equal(got.texts.length, 2);
      open();
      while (got.texts.length < 4) await wait(10);
      await wait(300);
      assert.equal(got.texts.length, 4);
    }));

  it('goes on beside what is refused time and again, and what is no event', () =>
    withServer(async (bench, server) => {
      const broker = await bench.started({});
      const got = new Got();
      let refused = 0;
      await broker.subscribe('t', (delivery) => {
        if (textOf(delivery) === 'poison') {
          refused++;
          throw new Error('no');
        }
        got.handler(delivery);
      });
      await broker.publish('t', event('poison'));
      await raw(server, 't', 'no JSON');
      await raw(server, 't', '{"Header":{},"Body":"%"}');
      for (let n = 0; n < 100; n++) await broker.publish('t', event(String(n)));
      await got.has('99');
      while (refused < 3) await wait(10);
      assert.equal(got.texts.length, 100);
      assert.equal(
        bench.logger.records.filter(({ message }) => message.includes('cannot be read')).length,
        2,
      );
    }));

  it('is refused where it is more than the server takes, and the next one arrives', () =>
    withServer(async (bench) => {
      const broker = await bench.started({ maxMessageBytes: 4 * 1024 * 1024 });
      const got = new Got();
      await broker.subscribe('t', got.handler, { queue: 'q' });
      const large = { ...event(''), body: Buffer.alloc(2 * 1024 * 1024) };
      const { code, message } = await failure(() => broker.publish('t', large));
      // The nsqd closes behind its word, which may get lost while the rest of the event is on its way.
      assert.match(code, /^(?:resource_exhausted|unavailable)$/);
      assert.match(message, /max-msg-size/);
      await publishUntilConfirmed(broker, 't', 'next');
      await got.has('next');
    }));

  it('has no topic and no queue of such a name, which an nsqd would confirm and forget', () =>
    withServer(async (bench) => {
      const broker = await bench.started({});
      for (const name of ['', 'a/b', 'ü', 'x'.repeat(65), `${'x'.repeat(60)}#ephemeral`, 'a#b']) {
        assert.equal((await failure(() => broker.publish(name, event('x')))).code, 'invalid_argument');
        assert.equal((await failure(() => broker.subscribe(name, () => {}))).code, 'invalid_argument');
        assert.equal(
          (await failure(() => broker.subscribe('t', () => {}, { queue: name }))).code,
          'invalid_argument',
        );
      }
      await broker.publish('x'.repeat(64), event('x'));
      await broker.publish(`${'x'.repeat(54)}#ephemeral`, event('x'));
    }));

  it('is kept when it is stopped, and what waits in its memory is lost when it is killed', () =>
    withServer(async (bench, server) => {
      const broker = await bench.started({});
      for (const [how, kept] of [
        ['end', 100],
        ['kill', 0],
      ] as const) {
        const texts = Array.from({ length: 100 }, (_, n) => `${how} ${n}`);
        await (await broker.subscribe('t', () => {}, { queue: 'q', durable: true })).unsubscribe();
        for (const each of texts) await broker.publish('t', event(each));
        await server[how]();
        await server.restart();
        const got = new Got();
        await publishUntilConfirmed(broker, 't', `${how} last`);
        const subscriber = await broker.subscribe('t', got.handler, { queue: 'q', durable: true });
        await got.has(`${how} last`, ...texts.slice(0, kept));
        // Of what was read from the disk before it was killed, some may come twice.
        assert.equal(got.texts.filter((each) => each.startsWith(how)).length, kept + 1);
        await subscriber.unsubscribe();
      }
    }));
});

describe('an nsqd that dies', { concurrency: true }, () => {
  it('and comes back is got over by itself, time and again', (t) =>
    withServer(async (bench, server) => {
      const [publisher, subscriber] = [await bench.started({}), await bench.started({})];
      const [queued, all] = [new Got(), new Got()];
      await subscriber.subscribe('t', queued.handler, { queue: 'q' });
      await subscriber.subscribe('t', all.handler);
      for (let round = 0; round < 3; round++) {
        await publishUntilConfirmed(publisher, 't', `before ${round}`);
        await queued.has(`before ${round}`);
        await server.kill();
        const error = await failure(() => publisher.publish('t', event('lost')));
        assert.equal(error.code, 'unavailable');
        await server.restart();
        const ms = await timed(async () => {
          await publishUntilConfirmed(publisher, 't', `after ${round}`);
          await queued.has(`after ${round}`);
          // Who has no queue gets what is published once the subscription is back.
          for (; !all.texts.includes(`all ${round}`); await wait(20))
            await publishUntilConfirmed(publisher, 't', `all ${round}`);
        });
        t.diagnostic(`${Math.round(ms)} ms from the open port to the first event`);
        assert.ok(ms < 5_000, `${ms} ms`);
      }
    }));

  it('while a handler is busy with what it sent takes nothing down with it', () =>
    withServer(async (bench, server) => {
      const broker = await bench.started({ messageTimeoutMs: 1_000 });
      const got = new Got();
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => (open = resolve));
      let begun = (): void => {};
      const busy = new Promise<void>((resolve) => (begun = resolve));
      await broker.subscribe(
        't',
        async (delivery) => {
          begun();
          await gate;
          got.handler(delivery);
          if (textOf(delivery) === 'before') throw new Error('no');
        },
        { queue: 'q' },
      );
      await broker.publish('t', event('before'));
      await busy;
      await server.kill();
      await server.restart();
      await publishUntilConfirmed(broker, 't', 'after');
      // Longer than until it would be said that the handler is at work.
      await wait(700);
      open();
      await got.has('before', 'after');
    }));

  it('and hangs leaves no publish and no stop without an end, and is got over when it goes on', (t) =>
    withServer(async (bench, server) => {
      const [publisher, subscriber] = [await bench.started({ timeoutMs: 1_000 }), await bench.started({})];
      const leaving = await bench.started({});
      const got = new Got();
      await subscriber.subscribe('t', got.handler, { queue: 'q' });
      await leaving.subscribe('t', () => {});
      await publisher.publish('t', event('before'));
      await got.has('before');
      await server.pause();
      const resumed = wait(10_000).then(() => server.resume());
      const publishing = publishUntilConfirmed(publisher, 't', 'after');
      const ms = await timed(() => leaving.stop());
      assert.ok(ms < 2_000, `a stop took ${ms} ms`);
      await resumed;
      const back = await timed(async () => {
        assert.ok((await publishing).has('deadline_exceeded'));
        await got.has('after');
      });
      t.diagnostic(`${Math.round(back)} ms from the end of the freeze to the first event`);
      assert.ok(back < 5_000, `${back} ms`);
    }));

  it('is done without where there is another', () =>
    withServer(async (bench, first) => {
      const second = await NsqServer.start();
      try {
        const addresses = [first.address, second.address];
        const [publisher, subscriber] = [
          await bench.started({ addresses }),
          await bench.started({ addresses }),
        ];
        const got = new Got();
        await subscriber.subscribe('t', got.handler, { queue: 'q' });
        const texts = Array.from({ length: 10 }, (_, n) => `both ${n}`);
        for (const each of texts) await publisher.publish('t', event(each));
        await got.has(...texts);
        await second.kill();
        for (let n = 0; n < 10; n++) {
          await publishUntilConfirmed(publisher, 't', `one ${n}`);
          await got.has(`one ${n}`);
        }
      } finally {
        await second.stop();
      }
    }));
});

describe('an nsqlookupd', () => {
  it('tells of the nsqds, also of such as come later, and is not needed all the time', async () => {
    const lookup = await NsqLookup.start();
    const args = [`-lookupd-tcp-address=${lookup.tcpAddress}`];
    try {
      await withServer(
        async (bench, first) => {
          const options = { addresses: [], lookups: [lookup.address], lookupIntervalMs: 100 };
          const [publisher, subscriber] = [await bench.started(options), await bench.started(options)];
          assert.equal(publisher.address, first.address);
          await publisher.stop();
          await publisher.start();
          const got = new Got();
          await subscriber.subscribe('t', got.handler, { queue: 'q' });
          await publishUntilConfirmed(publisher, 't', 'one');
          await got.has('one');
          const second = await NsqServer.start({ args });
          try {
            while (!publisher.address.includes(second.address)) await wait(20);
            await first.kill();
            await publishUntilConfirmed(publisher, 't', 'two');
            await got.has('two');
            await lookup.kill();
            await publishUntilConfirmed(publisher, 't', 'three');
            await got.has('three');
          } finally {
            await second.stop();
          }
        },
        { args },
      );
    } finally {
      await lookup.kill();
    }
  });
});

describe('the start of the nsq broker', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    withServer(async (bench) => {
      for (const [options, wanted] of [
        [
          { addresses: ['127.0.0.1:1'] },
          /found no nsqd within \d+ ms: .*127\.0\.0\.1:1: .*ECONNREFUSED.*set addresses/,
        ],
        [
          { addresses: [], lookups: ['127.0.0.1:1'] },
          /found no nsqd within \d+ ms: no nsqlookupd answers at 127\.0\.0\.1:1/,
        ],
      ] as const) {
        const broker = bench.make({ ...options, connectTimeoutMs: 600 });
        let message = '';
        const ms = await timed(async () => ({ message } = await failure(() => broker.start())));
        assert.ok(ms < 2_000, `${ms} ms`);
        assert.match(message, wanted);
      }
    }));

  it('waits for a server that comes up meanwhile, opens once, and not at all when it is stopped', () =>
    withServer(async (bench, server) => {
      await server.kill();
      const broker = bench.make({});
      const starting = Promise.all([broker.start(), broker.start()]);
      await server.restart();
      await starting;
      await broker.publish('t', event('x'));
      const stopped = bench.make({ addresses: ['127.0.0.1:1'] });
      const failing = failure(() => stopped.start());
      const ms = await timed(() => stopped.stop());
      assert.ok(ms < 2_000, `${ms} ms`);
      assert.equal((await failing).code, 'unavailable');
    }));
});

/** Publishes what no broker of ours would. */
async function raw(server: NsqServer, topic: string, body: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${server.httpPort}/pub?topic=${topic}`, {
    method: 'POST',
    body,
  });
  assert.equal(response.status, 200);
}
