import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Connection } from 'rabbitmq-client';
import type { Delivery } from '../../src/broker/broker.js';
import { freePorts } from '../support/free-port.js';
import { failure, timed } from '../support/nats-bench.js';
import { Events, event, publishes, RabbitBrokers } from '../support/rabbit-brokers.js';
import { RawRabbit } from '../support/raw-rabbit.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { chaos } from './support/broker-chaos.js';

const SECRET = 'hunter2';

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
  await server.control('add_user', 'ada', SECRET);
  await server.control('set_permissions', 'ada', '.*', '.*', '.*');
  await server.control('add_vhost', 'closed');
});
after(() => server.stop());

const withBrokers = (run: (brokers: RabbitBrokers) => Promise<void>): Promise<void> =>
  RabbitBrokers.with(server, run);

/** A connection of somebody else's. */
async function withOther(run: (other: Connection) => Promise<void>): Promise<void> {
  const other = new Connection({ hostname: '127.0.0.1', port: server.port, noDelay: true });
  other.on('error', () => {});
  try {
    await run(other);
  } finally {
    await other.close();
  }
}

describe('the start of the rabbitmq broker', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    withBrokers(async (brokers) => {
      const [port] = await freePorts(1);
      const broker = brokers.make({ addresses: [`127.0.0.1:${port}`], connectTimeoutMs: 600 });
      let message = '';
      const ms = await timed(async () => {
        const error = await failure(() => broker.start());
        assert.equal(error.code, 'unavailable');
        ({ message } = error);
      });
      assert.ok(ms < 1_500, `${ms} ms`);
      assert.match(
        message,
        new RegExp(
          `the rabbitmq broker found no RabbitMQ server at 127.0.0.1:${port} within \\d+ ms: .*ECONNREFUSED`,
        ),
      );
    }));

  it('fails at once for a wrong password, says that word, and shows no secret', () =>
    withBrokers(async (brokers) => {
      for (const options of [
        { user: 'ada', pass: `${SECRET}-not` },
        { addresses: [`amqp://ada:${SECRET}-not@${server.address}`] },
      ]) {
        const broker = brokers.make(options);
        const ms = await timed(async () => {
          const error = await failure(() => broker.start());
          assert.equal(error.code, 'unauthenticated');
          assert.match(error.message, /password/);
          assert.ok(!inspect(error, { depth: 10 }).includes(SECRET));
        });
        assert.ok(ms < 2_000, `${ms} ms`);
      }
      const known = await brokers.started({ addresses: [`amqp://ada:${SECRET}@${server.address}/%2F`] });
      await known.publish('topic', event('x'));
      assert.ok(!inspect([brokers.logger.records, known], { depth: 10 }).includes(SECRET));
    }));

  it('fails at once for a vhost that is not there, or is closed to us', () =>
    withBrokers(async (brokers) => {
      const missing = await failure(() => brokers.make({ vhost: 'nowhere' }).start());
      assert.equal(missing.code, 'not_found');
      assert.match(missing.message, /nowhere.*make that vhost, or set another/);
      const closed = await failure(() =>
        brokers.make({ vhost: 'closed', user: 'ada', pass: SECRET }).start(),
      );
      assert.equal(closed.code, 'permission_denied');
      assert.match(closed.message, /closed.*give the user the right/);
    }));
});

describe('the death of a RabbitMQ server', () => {
  it('ends what is not confirmed, refuses what comes next, and is got over with all that is durable', () =>
    withBrokers(async (brokers) => {
      const [publisher, subscriber] = [await brokers.started(), await brokers.started()];
      const [durable, shared, alone] = [new Events(), new Events(), new Events()];
      const away = await subscriber.subscribe('kill', () => {}, { queue: 'away', durable: true });
      await away.unsubscribe();
      await subscriber.subscribe('kill', durable.handler, { queue: 'durable', durable: true });
      await subscriber.subscribe('kill', shared.handler, { queue: 'shared' });
      await subscriber.subscribe('kill', alone.handler);
      await publisher.publish('kill', event('before'));
      for (const events of [durable, shared, alone]) await events.holds((texts) => texts.length === 1);
      const confirmed: string[] = [];
      const publishing = Promise.allSettled(
        Array.from({ length: 1_000 }, async (_, n) => {
          await publisher.publish('kill', event(`flow ${n}`));
          confirmed.push(`flow ${n}`);
        }),
      );
      await durable.holds((texts) => texts.length > 50);
      await server.kill();
      const ended = await timed(() => publishing);
      assert.ok(ended < 1_000, `${ended} ms`);
      let refused = await failure(() => publisher.publish('kill', event('down')));
      // One may have left before the connection was seen to break.
      if (refused.executed !== false) refused = await failure(() => publisher.publish('kill', event('down')));
      assert.deepEqual([refused.code, refused.executed], ['unavailable', false]);
      assert.match(refused.message, /the connection is down/);
      // One that starts meanwhile waits for the server.
      const starting = brokers.started({ connectTimeoutMs: 30_000 });
      await server.restart();
      await publishes(await starting, 'nobody', 'x');
      const ms = await timed(async () => {
        await publishes(publisher, 'kill', 'after');
        await durable.holds((texts) => texts.includes('after'));
      });
      assert.ok(ms < 5_000, `${ms} ms`);
      await durable.holds((texts) => confirmed.every((each) => texts.includes(each)));
      // The others have lost what came before they were back.
      for (let n = 0; !shared.texts.includes('more') || !alone.texts.includes('more'); n++) {
        await publishes(publisher, 'kill', 'more');
        await new Promise((resolve) => setTimeout(resolve, 10));
        assert.ok(n < 500, 'it is not subscribed again');
      }
      const back = new Events();
      await subscriber.subscribe('kill', back.handler, { queue: 'away', durable: true });
      await back.holds((texts) => ['before', ...confirmed, 'after'].every((each) => texts.includes(each)));
    }));

  it('loses none of those that were refused and wait, also more than one member may hold', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started({ prefetch: 8 });
      const again = new Events();
      const refuse = (delivery: Delivery): void => {
        if (delivery.attempt === 1) delivery.nack({ delayMs: 3_000 });
        else again.handler(delivery);
      };
      await broker.subscribe('refused', refuse, { queue: 'refused', durable: true });
      const sent = Array.from({ length: 50 }, (_, n) => String(n));
      for (const each of sent) await broker.publish('refused', event(each));
      const waiting = async (): Promise<boolean> =>
        /^octavo\.wait\.refused\.refused\.durable\t[1-9]/m.test(
          await server.control('list_queues', 'name', 'messages'),
        );
      while (!(await waiting()) && again.texts.length === 0);
      await server.kill();
      await server.restart();
      await again.holds((texts) => sent.every((each) => texts.includes(each)));
      assert.deepEqual(new Set(again.deliveries.map(({ attempt }) => attempt)), new Set([2]));
      while (await waiting());
    }));
});

describe('a RabbitMQ server that comes back with nothing', () => {
  it('has its exchanges and queues again before anything is published', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      const events = new Events();
      await broker.subscribe('empty', events.handler, { queue: 'empty', durable: true });
      await broker.publish('empty', event('before'));
      await events.holds((texts) => texts.length === 1);
      await server.kill();
      await server.restartEmpty();
      for (let n = 0; !events.texts.includes('after'); n++) {
        await publishes(broker, 'empty', 'after');
        await new Promise((resolve) => setTimeout(resolve, 10));
        assert.ok(n < 500, 'it is not subscribed again');
      }
    }));
});

describe('a RabbitMQ server that hangs', () => {
  it('fails a publish in time, is noticed, and got over when it goes on', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started({ timeoutMs: 500, heartbeatSeconds: 1 });
      const events = new Events();
      await broker.subscribe('hang', events.handler, { queue: 'hang', durable: true });
      await publishes(broker, 'hang', 'before');
      await server.pause();
      const error = await failure(() => broker.publish('hang', event('x')));
      assert.equal(error.code, 'deadline_exceeded');
      assert.match(error.message, /did not confirm an event for "hang" within 500 ms/);
      let code = '';
      const ms = await timed(async () => {
        while (code !== 'unavailable') ({ code } = await failure(() => broker.publish('hang', event('x'))));
      });
      assert.ok(ms < 5_000, `${ms} ms`);
      server.resume();
      await publishes(broker, 'hang', 'after');
      await events.holds((texts) => texts.includes('after'));
    }));

  it('does not keep a stop up', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      await broker.subscribe('topic', () => {});
      await publishes(broker, 'topic', 'x');
      await server.pause();
      const ms = await timed(() => broker.stop());
      server.resume();
      assert.ok(ms < 8_000, `${ms} ms`);
    }));
});

describe('a RabbitMQ server that is short of memory', () => {
  it('fails a publish in time, then refuses it at once, and takes the next when it goes on', () =>
    withBrokers(async (brokers) => {
      const [publisher, subscriber] = [await brokers.started({ timeoutMs: 500 }), await brokers.started()];
      const events = new Events();
      await subscriber.subscribe('alarm', events.handler);
      await publisher.publish('alarm', event('before'));
      await server.alarm(true);
      const late = await failure(() => publisher.publish('alarm', event('pending')));
      assert.equal(late.code, 'deadline_exceeded');
      const refused = await failure(() => publisher.publish('alarm', event('refused')));
      assert.deepEqual([refused.code, refused.executed], ['unavailable', false]);
      assert.match(refused.message, /it takes nothing now \(low on memory\)/);
      await server.alarm(false);
      await publishes(publisher, 'alarm', 'after');
      const texts = await events.holds((all) => all.includes('after'));
      assert.ok(!texts.includes('refused'));
    }));

  it('and of which somebody deletes a queue meanwhile has it again when it goes on', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started({ timeoutMs: 300 });
      const events = new Events();
      await broker.subscribe('starved', events.handler, { queue: 'starved' });
      await server.alarm(true);
      await failure(() => broker.publish('starved', event('x')));
      await server.control('delete_queue', 'starved.starved');
      await server.alarm(false);
      for (let n = 0; !events.texts.includes('after'); n++) {
        await publishes(broker, 'starved', 'after');
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.ok(n < 250, 'it is not subscribed again');
      }
    }));

  it('keeps neither a stop nor a subscription up', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started({ timeoutMs: 300 });
      await broker.subscribe('topic', () => {});
      await server.alarm(true);
      await failure(() => broker.publish('topic', event('x')));
      const ms = await timed(async () => {
        await failure(() => broker.subscribe('other', () => {}));
        await broker.stop();
      });
      await server.alarm(false);
      assert.ok(ms < 5_000, `${ms} ms`);
    }));
});

describe('what is in hand', () => {
  it('is never more than the prefetch, the rest stays at the server', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started({ prefetch: 5, concurrency: 2 });
      const events = new Events();
      let release = (): void => {};
      const open = new Promise<void>((resolve) => (release = resolve));
      await broker.subscribe(
        'bound',
        async (delivery) => {
          events.handler(delivery);
          await open;
        },
        { queue: 'bound' },
      );
      for (let n = 0; n < 50; n++) await broker.publish('bound', event(String(n)));
      await events.holds((texts) => texts.length === 2);
      const listed = await server.control('list_queues', 'name', 'messages_ready', 'messages_unacknowledged');
      assert.match(listed, /^bound\.bound\t45\t5$/m);
      assert.equal(events.texts.length, 2);
      release();
      await events.holds((texts) => texts.length === 50);
    }));

  it('leaves nothing behind when its broker has stopped: no handle, and no queue that nobody wants', async () => {
    const resources = (): number => process.getActiveResourcesInfo().length;
    const before = resources();
    for (let round = 0; round < 3; round++)
      await withBrokers(async (brokers) => {
        const broker = await brokers.started();
        const events = new Events();
        const refuse = (delivery: Delivery): void => {
          events.handler(delivery);
          if (delivery.attempt === 1) throw new Error('once more');
        };
        await broker.subscribe('left', refuse);
        await broker.subscribe('left', events.handler, { queue: 'left' });
        await broker.publish('left', event('x'));
        await events.holds((texts) => texts.length === 3);
      });
    for (let turn = 0; turn < 1_000 && resources() > before; turn++)
      await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(resources() <= before, `${resources()} where there were ${before}`);
    assert.doesNotMatch(await server.control('list_queues', 'name'), /^(?:left|amq\.gen)/m);
  });

  it('goes on coming after somebody deletes the queue, or the exchange', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      const events = new Events();
      await broker.subscribe('deleted', events.handler, { queue: 'deleted' });
      await server.control('delete_queue', 'deleted.deleted');
      for (let n = 0; events.texts.length === 0; n++) {
        await broker.publish('deleted', event('x'));
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.ok(n < 250, 'it is not subscribed again');
      }
      await server.control(
        'eval',
        'rabbit_exchange:delete(rabbit_misc:r(<<"/">>, exchange, <<"micro">>), false, <<"x">>).',
      );
      await broker.publish('deleted', event('y'));
    }));
});

describe('events that nobody can deal with', () => {
  it('keep no neighbour waiting, and come again later and later', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      const events = new Events();
      const times: number[] = [];
      await broker.subscribe(
        'poison',
        (delivery) => {
          if (Buffer.from(delivery.message.body).toString() !== 'poison') return events.handler(delivery);
          times.push(performance.now());
          throw new Error('no');
        },
        { queue: 'poison', durable: true },
      );
      await broker.publish('poison', event('poison'));
      for (let n = 0; n < 100; n++) await broker.publish('poison', event(String(n)));
      await events.holds((texts) => texts.length === 100);
      while (times.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
      const [first = 0, second = 0, third = 0] = times;
      assert.ok(second - first >= 100 && third - second >= 200, times.join(', '));
    }));

  it('are taken away where they would break every connection by which they come', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      const [durable, alone] = [new Events(), new Events()];
      await broker.subscribe('deep', durable.handler, { queue: 'deep', durable: true });
      await broker.subscribe('deep', alone.handler);
      const raw = await RawRabbit.open(server.port);
      await publishes(broker, 'deep', 'before');
      await raw.poison('micro', 'deep');
      await publishes(broker, 'deep', 'between');
      await raw.poison('micro', 'deep');
      await raw.close();
      for (let n = 0; !durable.texts.includes('after') || !alone.texts.includes('after'); n++) {
        await publishes(broker, 'deep', 'after');
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.ok(n < 500, 'they come again without end');
      }
      assert.deepEqual(
        ['before', 'between', 'after'].filter((each) => !durable.texts.includes(each)),
        [],
      );
      assert.ok(brokers.logger.records.some(({ message }) => /their headers nest too deep/.test(message)));
      const listed = await server.control('list_queues', 'name', 'messages');
      assert.match(listed, /^deep\.deep\.durable\t0$/m);
    }));

  it('are dropped where they are over the limits, with a word in the log', () =>
    withBrokers(async (brokers) => {
      const [sender, broker] = [await brokers.started(), await brokers.started({ maxMessageBytes: 10 })];
      const events = new Events();
      await broker.subscribe('large', events.handler);
      await sender.publish('large', event('01234567890'));
      await sender.publish('large', event('0123456789'));
      assert.deepEqual(await events.holds((texts) => texts.length === 1), ['0123456789']);
      assert.ok(
        brokers.logger.records.some(({ message }) => /cannot be taken, and is dropped/.test(message)),
      );
    }));
});

describe('events of others', () => {
  it('arrive as bytes, whatever they say that they are, with what of their header is text', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      const events = new Events();
      await broker.subscribe('foreign', events.handler);
      await withOther(async (other) => {
        const publisher = other.createPublisher({ confirm: true });
        const headers = {
          Name: 'Ada',
          Count: 7,
          Yes: true,
          None: null,
          List: ['a', { b: ['c'] }],
          ['__proto__']: 'x',
        };
        const route = { exchange: 'micro', routingKey: 'foreign' };
        await publisher.send({ ...route, headers }, { json: 'ü' });
        await publisher.send(route, 'text ü');
        await publisher.send(route, Buffer.from('bytes ü'));
        await publisher.close();
      });
      const texts = await events.holds((all) => all.length === 3);
      assert.deepEqual(texts, ['{"json":"ü"}', 'text ü', 'bytes ü']);
      const [first, second, third] = events.deliveries.map(({ message: { header } }) => header);
      assert.deepEqual(
        ['Name', 'Count', 'Yes', 'None', 'List', 'Content-Type', 'Micro-Topic'].map((name) =>
          first?.get(name),
        ),
        ['Ada', '7', 'true', undefined, undefined, 'application/json', 'foreign'],
      );
      assert.equal(second?.get('Content-Type'), 'text/plain');
      assert.equal(third?.get('Content-Type'), undefined);
    }));

  it('are found by patterns, and come with the topic that they were published to, also the second time', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      const events = new Events();
      await broker.subscribe('orders.*.made', (delivery) => {
        events.handler(delivery);
        if (delivery.attempt === 1) throw new Error('once more');
      });
      await broker.publish('orders.x', event('no'));
      await broker.publish('orders.books.made', event('yes'));
      await events.holds((texts) => texts.length === 2);
      assert.deepEqual(
        events.deliveries.map(({ topic, attempt, message: { header } }) => [
          topic,
          attempt,
          header.get('Octavo-Topic'),
        ]),
        [
          ['orders.books.made', 1, undefined],
          ['orders.books.made', 2, undefined],
        ],
      );
    }));

  it('are kept from us where the exchange or a queue was declared otherwise: the error says how', () =>
    withBrokers(async (brokers) => {
      await withOther(async (other) => {
        await other.exchangeDeclare({ exchange: 'firm', type: 'topic', durable: true });
        await other.queueDeclare({ queue: 'odd.topic', durable: true });
      });
      const broker = await brokers.started({ exchange: 'firm' });
      const error = await failure(() => broker.publish('topic', event('x')));
      assert.equal(error.code, 'failed_precondition');
      assert.match(error.message, /inequivalent arg 'durable' for exchange 'firm'/);
      const firm = await brokers.started({ exchange: 'firm', durableExchange: true });
      await firm.publish('topic', event('x'));
      const odd = await failure(() => firm.subscribe('topic', () => {}, { queue: 'odd' }));
      assert.equal(odd.code, 'failed_precondition');
      const events = new Events();
      await firm.subscribe('topic', events.handler, { queue: 'even', durable: true });
      await firm.publish('topic', event('y'));
      await events.holds((texts) => texts.includes('y'));
    }));

  it('wait in a quorum queue where that is asked for', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started({ queueArguments: { 'x-queue-type': 'quorum' } });
      const events = new Events();
      await broker.subscribe('quorum', events.handler, { queue: 'quorum', durable: true });
      await broker.publish('quorum', event('x'));
      await events.holds((texts) => texts.includes('x'));
      assert.match(
        await server.control('list_queues', 'name', 'type'),
        /^quorum\.quorum\.durable\t\S*quorum/m,
      );
    }));
});

describe('what does not fit AMQP', () => {
  it('is refused before it is sent', () =>
    withBrokers(async (brokers) => {
      const broker = await brokers.started();
      const long = 'x'.repeat(256);
      assert.equal((await failure(() => broker.publish(long, event('x')))).code, 'invalid_argument');
      assert.equal((await failure(() => broker.subscribe(long, () => {}))).code, 'invalid_argument');
      const named = event('x');
      named.header.append(long, 'x');
      assert.equal((await failure(() => broker.publish('topic', named))).code, 'invalid_argument');
      const large = event('x');
      large.header.append('Large', 'x'.repeat(70_000));
      assert.equal((await failure(() => broker.publish('topic', large))).code, 'resource_exhausted');
      const many = event('x');
      for (let n = 0; n < 230; n++) many.header.append(`n${n}`, 'v'.repeat(250));
      const events = new Events();
      await broker.subscribe('topic', events.handler);
      await broker.publish('topic', many);
      await events.holds((texts) => texts.length === 1);
      assert.equal(events.deliveries[0]?.message.header.get('n229')?.length, 250);
    }));
});

describe('ten thousand events while the server and a consumer are killed', () => {
  it('go over rabbitmq, and none is lost', { timeout: 120_000 }, (t) =>
    withBrokers(async (brokers) => {
      const consumer = 'backends/peers/rabbitmq-consumer.js';
      try {
        await chaos(t, { broker: brokers.make(), server, addresses: [server.address], consumer });
      } catch (reason) {
        t.diagnostic(await server.control('list_queues', 'name', 'messages'));
        throw reason;
      }
    }),
  );
});
