import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { RabbitBroker } from '../../src/broker/rabbitmq.js';
import { RabbitConnections } from '../../src/core/rabbitmq-connection.js';
import { RabbitTransport } from '../../src/transport/rabbitmq.js';
import {
  ANY,
  answering,
  bothEnds,
  call,
  echo,
  fails,
  item,
  message,
  text,
} from '../conformance/transport/talk.js';
import { freePorts } from '../support/free-port.js';
import { failure, timed, works } from '../support/nats-bench.js';
import { parts } from '../support/parts.js';
import { RabbitBench } from '../support/rabbit-bench.js';
import { event, Events, publishes } from '../support/rabbit-brokers.js';
import { RabbitServer } from '../support/rabbit-server.js';

const SECRET = 'hunter2';
const MOST_BYTES = 1024 * 1024;

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start({
    config: ['listeners.tcp.default = 127.0.0.1:{port}', `max_message_size = ${MOST_BYTES}`],
  });
});
after(() => server.stop());

const withBench = (run: (bench: RabbitBench) => Promise<void>): Promise<void> =>
  RabbitBench.with(server, run);

describe('the start of the rabbitmq transport', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    withBench(async (bench) => {
      const [port] = await freePorts(1);
      const transport = bench.make({ addresses: [`127.0.0.1:${port}`], connectTimeoutMs: 300 });
      const error = await failure(() => transport.start());
      assert.equal(error.code, 'unavailable');
      assert.match(
        error.message,
        new RegExp(`the rabbitmq transport found no RabbitMQ server at 127.0.0.1:${port} within \\d+ ms`),
      );
    }));

  it('fails at once for a wrong password, and shows no secret', () =>
    withBench(async (bench) => {
      const transport = bench.make({ user: 'ada', pass: SECRET });
      const error = await failure(() => transport.start());
      assert.equal(error.code, 'unauthenticated');
      assert.ok(!inspect([error, transport.options, bench.logger.records], { depth: 10 }).includes(SECRET));
    }));

  it('opens once when it is asked for twice at once, and not at all when it is stopped meanwhile', () =>
    withBench(async (bench) => {
      const transport = bench.make();
      await Promise.all([transport.start(), transport.start()]);
      await works(transport, await transport.listen(ANY, echo));
      const [port] = await freePorts(1);
      const stopped = bench.make({ addresses: [`127.0.0.1:${port}`] });
      const starting = failure(() => stopped.start());
      await stopped.stop();
      const ms = await timed(async () => assert.equal((await starting).code, 'unavailable'));
      assert.ok(ms < 1_000, `${ms} ms`);
    }));
});

describe('the death of a RabbitMQ server', () => {
  it('ends what is under way at once, keeps nothing of what comes next, and is got over with every address as it was', (t) =>
    withBench(async (bench) => {
      const transport = await bench.started();
      const other = await bench.started();
      const greeter = await other.listen('greeter', echo);
      const { near, far } = await bothEnds(transport);
      const came: (string | undefined)[] = [];
      const silent = await transport.listen(
        ANY,
        answering(async (socket) => {
          came.push(text(await socket.receive()));
          if (came.at(-1) !== 'back') return;
          await socket.send(message('back'));
          socket.close();
        }),
      );
      const pending = call(transport, silent, message('x'));
      const ends = [near, far].map((end) => failure(async () => end.receive()));
      ends.push(failure(() => pending));
      await new Promise((resolve) => setTimeout(resolve, 50));
      const ms = await timed(async () => {
        await server.kill();
        for (const error of await Promise.all(ends)) {
          assert.equal(error.code, 'unavailable');
          assert.equal(error.executed, undefined);
        }
      });
      assert.ok(ms < 1_000, `${ms} ms`);
      for (let n = 0; n < 100; n++) {
        const refused = await failure(() => call(transport, silent, message('down')));
        assert.deepEqual([refused.code, refused.executed], ['unavailable', false]);
      }
      await fails(() => transport.listen('another', () => {}), 'unavailable');
      await server.restart();
      const back = await timed(() => Promise.all([works(transport, greeter), works(other, silent)]));
      t.diagnostic(`back ${Math.round(back)} ms after the port was open`);
      assert.ok(back < 5_000, `${back} ms`);
      assert.deepEqual([...new Set(came)], ['x', 'back']);
    }));
});

describe('a RabbitMQ server that hangs', () => {
  it('is noticed within seconds, and got over when it goes on', (t) =>
    withBench(async (bench) => {
      const transport = await bench.started({ keepaliveMs: 300, heartbeatSeconds: 1 });
      const listener = await transport.listen(ANY, echo);
      const { near } = await bothEnds(transport);
      await works(transport, listener);
      await server.pause();
      const waiting = failure(async () => near.receive());
      const ms = await timed(async () => assert.equal((await waiting).code, 'unavailable'));
      t.diagnostic(`noticed after ${Math.round(ms)} ms`);
      assert.ok(ms < 3_000, `${ms} ms`);
      server.resume();
      await works(transport, listener);
    }));

  it('is not sent without end, and does not keep a stop up', () =>
    withBench(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, echo);
      await works(transport, listener);
      await server.pause();
      const large = message(Buffer.alloc(MOST_BYTES - 1_024));
      const calls = Array.from({ length: 100 }, () => failure(() => call(transport, listener, large)));
      const full = await Promise.race(calls);
      assert.deepEqual([full.code, full.executed], ['unavailable', false]);
      assert.match(full.message, /67108864 bytes wait for the RabbitMQ server .* reads no more/);
      const ms = await timed(() => transport.stop());
      server.resume();
      assert.ok(ms < 8_000, `${ms} ms`);
    }));
});

describe('a RabbitMQ server that is short of memory', () => {
  it('lets a call end in time, refuses the next at once, and carries them when it goes on', () =>
    withBench(async (bench) => {
      const transport = await bench.started({ keepaliveMs: 200 });
      const listener = await transport.listen(ANY, echo);
      await works(transport, listener);
      await server.alarm(true);
      const pending = failure(() => call(transport, listener, message('x')));
      const ms = await timed(async () => assert.equal((await pending).code, 'unavailable'));
      assert.ok(ms < 3_000, `${ms} ms`);
      const refused = await failure(() => call(transport, listener, message('x')));
      assert.deepEqual([refused.code, refused.executed], ['unavailable', false]);
      assert.match(refused.message, /it takes nothing now \(low on memory\)/);
      await server.alarm(false);
      await works(transport, listener);
    }));
});

describe('what a RabbitMQ server allows', () => {
  it('and a message is larger: one is lost with what is under way, the next is refused, and all goes on', () =>
    withBench(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, echo);
      await works(transport, listener);
      const first = await failure(() => call(transport, listener, message(Buffer.alloc(MOST_BYTES))));
      assert.equal(first.code, 'unavailable');
      await works(transport, listener);
      const second = await failure(() => call(transport, listener, message(Buffer.alloc(MOST_BYTES))));
      assert.equal(second.code, 'resource_exhausted');
      assert.match(second.message, /takes 1048576 \(its max_message_size\)/);
      const { near, far } = await bothEnds(transport);
      await fails(async () => near.send(item(Buffer.alloc(MOST_BYTES))), 'resource_exhausted');
      await near.send(item('lives on'));
      assert.equal(text(await far.receive()), 'lives on');
    }));

  it('and a queue has another owner, of any kind: its address is in use', () =>
    withBench(async (bench) => {
      const [one, other] = [await bench.started(), await bench.started()];
      await one.listen('taken', echo);
      assert.match((await failure(() => other.listen('taken', echo))).message, /the address taken is in use/);
      await server.control(
        'eval',
        'rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"go">>), false, false, [], none, <<"x">>).',
      );
      const go = await failure(() => one.listen('go', echo));
      assert.equal(go.code, 'unavailable');
      assert.match(go.message, /the address go is in use/);
      await one.listen('free', echo);
      await server.control('delete_queue', 'go');
    }));

  it('and an address is none: it is said what one is', () =>
    withBench(async (bench) => {
      const transport = await bench.started();
      for (const wrong of ['a b', 'a*', '#', 'x'.repeat(241)])
        assert.match(
          (await failure(() => transport.listen(wrong, echo))).message,
          /is no address on RabbitMQ: it is the name of a queue/,
        );
    }));

  it('and somebody deletes the queue of a listener: it is there again', () =>
    withBench(async (bench) => {
      const [here, there] = [await bench.started(), await bench.started()];
      const listener = await here.listen('fragile', echo);
      await server.control('delete_queue', 'fragile.octavo');
      await server.control('delete_queue', 'fragile');
      await works(there, listener);
    }));
});

describe('broker and transport on one server', () => {
  it('share one connection, which goes with the last of them', async () => {
    const addresses = [server.address];
    const shared = { ...parts(), connections: new RabbitConnections() };
    const transport = new RabbitTransport({ addresses }, shared);
    const broker = new RabbitBroker({ addresses, prefetch: 7 }, shared);
    const count = async (): Promise<number> =>
      (await server.control('list_connections', 'name')).split('->').length - 1;
    try {
      const before = await count();
      await Promise.all([transport.start(), broker.start()]);
      const events = new Events();
      await broker.subscribe('shared', events.handler);
      await works(transport, await transport.listen(ANY, echo));
      await publishes(broker, 'shared', 'x');
      await events.holds((texts) => texts.length === 1);
      assert.equal((await count()) - before, 1);
      await transport.stop();
      await broker.publish('shared', event('y'));
      await events.holds((texts) => texts.length === 2);
      assert.equal(shared.connections.size, 1);
      await broker.stop();
      assert.equal(shared.connections.size, 0);
      assert.equal((await count()) - before, 0);
    } finally {
      await Promise.all([transport.stop(), broker.stop()]);
    }
  });
});
