import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Envelope } from 'rabbitmq-client';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { Metadata } from '../../src/core/metadata.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { rabbitmq } from '../../src/transport/rabbitmq.js';
import { call, item, later, message, text } from '../conformance/transport/talk.js';
import { GoGreeter, GoGreeterClient } from '../support/go-greeter.js';
import { buildGo, GoProgram } from '../support/go-program.js';
import { failure } from '../support/nats-bench.js';
import { RabbitBench } from '../support/rabbit-bench.js';
import { Events, RabbitBrokers } from '../support/rabbit-brokers.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { RawRabbit } from '../support/raw-rabbit.js';

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
});
after(() => server.stop());

const program = buildGo('test/backends/peers/rabbitmq-go');

/** Runs with a go-micro process on the broker, that hears `topic=queue`. */
async function withGo(hears: string, use: (go: GoProgram) => Promise<void>): Promise<void> {
  const go = await GoProgram.start(program ?? '', [`amqp://guest:guest@${server.address}`, hears]);
  try {
    await use(go);
  } finally {
    await go[Symbol.asyncDispose]();
  }
}

/** The queue that a go-micro peer declares, once it has. */
async function declared(queue: string): Promise<void> {
  while (!(await server.control('list_queues', 'name', 'consumers')).includes(`${queue}\t1`));
}

describe(
  'a go-micro process on the rabbitmq broker',
  { skip: program === undefined && 'there is no Go' },
  () => {
    it('hears what Octavo publishes, and Octavo hears what it publishes', () =>
      withGo('to.go=gophers', (go) =>
        RabbitBrokers.with(server, async (brokers) => {
          await declared('gophers');
          const broker = await brokers.started();
          const events = new Events();
          await broker.subscribe('to.octavo', events.handler, { queue: 'octavos', durable: true });
          const header = new Metadata({ 'Content-Type': 'text/plain', 'Micro-Id': '3', Foo: 'é 日本' });
          await broker.publish('to.go', { header, body: Buffer.from('hi Go') });
          assert.deepEqual(await go.next('heard'), {
            event: 'heard',
            topic: 'to.go',
            body: 'hi Go',
            header: { 'Content-Type': 'text/plain', 'Micro-ID': '3', Foo: 'é 日本', 'Micro-Topic': 'to.go' },
          });
          await go.ask({ topic: 'to.octavo', body: 'hi Octavo' });
          assert.deepEqual(await events.holds((texts) => texts.length === 1), ['hi Octavo']);
          const got = events.deliveries[0]?.message.header;
          assert.deepEqual(
            ['From', 'micro-id', 'Micro-Topic'].map((name) => got?.get(name)),
            ['Go', '7', 'to.octavo'],
          );
        }),
      ));

    it('shares a queue with Octavo where the queue is named as go-micro does', () =>
      withGo('shared=both', (go) =>
        RabbitBrokers.with(server, async (brokers) => {
          await declared('both');
          const broker = await brokers.started({ queueName: (queue) => queue });
          const events = new Events();
          await broker.subscribe('shared', events.handler, { queue: 'both' });
          for (let n = 0; n < 20; n++)
            await broker.publish('shared', { header: new Metadata(), body: Buffer.from(String(n)) });
          // The server gives to each in turn.
          const heard: unknown[] = [];
          for (let n = 0; n < 10; n++) heard.push((await go.next('heard'))['body']);
          const texts = await events.holds((all) => all.length === 10);
          assert.equal(new Set([...heard, ...texts]).size, 20);
        }),
      ));
  },
);

// Its transport's plugin is not served by the module proxy: here a bare client says what its source does.
describe('a go-micro peer of the rabbitmq transport', () => {
  const withBench = (run: (bench: RabbitBench, raw: RawRabbit) => Promise<void>): Promise<void> =>
    RabbitBench.with(server, async (bench) => {
      const raw = await RawRabbit.open(server.port);
      try {
        await run(bench, raw);
      } finally {
        await raw.close();
      }
    });

  function options(): ServiceOptions {
    return {
      transport: rabbitmq({ addresses: [server.address] }),
      registry: memoryRegistry(),
      broker: memoryBroker(),
      client: rpcClient({ contentType: 'application/json' }),
      logger: () => new TestLogger(),
      env: {},
    };
  }

  /** What go-micro's client sends with a call. */
  function request(correlationId: string, endpoint: string, more: Record<string, string> = {}): Envelope {
    const headers = {
      'Content-Type': 'application/json',
      'Micro-Service': 'greeter',
      'Micro-Endpoint': endpoint,
      'Micro-Method': endpoint,
      'Micro-ID': '0',
      Timeout: '5000000000',
      ...more,
    };
    return { replyTo: 'go.replies', correlationId, headers };
  }

  it('calls a service through the exchange of go-micro, and gets the reply with its correlation', () =>
    withBench(async (_, raw) => {
      const service = createService({
        services: [GoGreeter],
        server: rpcServer({ address: 'greeter' }),
        ...options(),
      });
      await service.start();
      await raw.hear('go.replies');
      await raw.sayAsGo('greeter', '{"name":"John","n":3}\n', request('c-1', 'Greeter.Hello'));
      const reply = await raw.next();
      assert.equal(reply.correlationId, 'c-1');
      assert.equal(reply.body.toString().trim(), '{"msg":"Hello John"}');
      assert.deepEqual(reply.headers, { 'Content-Type': 'application/json' });
      await raw.sayAsGo('greeter', '{"name":"John"}', request('c-1', 'Greeter.Bad'));
      const bad = await raw.next();
      assert.match(String(bad.headers?.['Micro-Error']), /"id":"greeter.bad","code":400/);
      await service.stop();
    }));

  it('is called by a queue of its name, and answers to a correlation that serves again', () =>
    withBench(async (_, raw) => {
      const service = createService({ name: 'caller', ...options() });
      await service.start();
      const greeter = service.resolve(GoGreeterClient);
      await raw.hear('gogreeter');
      const ids: (string | undefined)[] = [];
      for (let n = 0; n < 3; n++) {
        const calling = greeter.hello({ name: 'John', n: 3 }, { address: 'gogreeter' });
        const { headers, body, replyTo = '', correlationId = '' } = await raw.next();
        assert.equal(headers?.['Micro-Endpoint'], 'Greeter.Hello');
        assert.match(String(headers['Micro-ID']), /^\d$/);
        assert.deepEqual(JSON.parse(body.toString()), { name: 'John', n: 3 });
        ids.push(correlationId);
        const answer = { correlationId, headers: { 'Content-Type': 'application/json', 'Micro-ID': '0' } };
        await raw.say(replyTo, '{"msg":"Hello John"}', answer);
        assert.equal((await calling).msg, 'Hello John');
      }
      assert.equal(new Set(ids).size, 1);
      await service.stop();
    }));

  it('that is not there is noticed by the first message of a call, and by dialling for a stream', () =>
    withBench(async (bench) => {
      const transport = await bench.started();
      const socket = await transport.dial('nobody');
      await socket.send(message('x'));
      for (const missed of [() => socket.receive(), () => transport.dial('nobody', { stream: true })]) {
        const error = await failure(async () => missed());
        assert.deepEqual([error.code, error.executed], ['unavailable', false]);
      }
    }));

  it('that dies in a stream, or went away after it called, is noticed by the next message', () =>
    withBench(async (bench, raw) => {
      const transport = await bench.started();
      await raw.hear('go');
      const socket = await transport.dial('go', { stream: true });
      assert.deepEqual((await raw.next()).headers, {
        Connection: 'close',
        'Micro-Stream': '0',
        'Micro-Error': 'EOS',
      });
      const gone = later<unknown>();
      await transport.listen('octavo', (accepted) => {
        accepted.onClose(gone.resolve);
        void accepted.send(item('anybody?'));
      });
      await raw.sayAsGo('octavo', 'x', {
        replyTo: 'nowhere',
        correlationId: '1',
        headers: { 'Micro-Stream': '1' },
      });
      assert.match(String(await gone.promise), /unavailable|nobody listens at nowhere 1/);
      await raw.close();
      const ended = later<unknown>();
      socket.onClose(ended.resolve);
      await socket.send(item('x'));
      assert.match(String(await ended.promise), /nobody listens at go/);
    }));

  it('that sends without end while nobody reads is cut off, and gets a stream at the pace of the server', () =>
    withBench(async (bench, raw) => {
      const transport = await bench.started();
      const gone = later<unknown>();
      await transport.listen('octavo', (socket) => socket.onClose(gone.resolve));
      const properties = { replyTo: 'inbox', correlationId: '1', headers: { 'Micro-Stream': '1' } };
      await Promise.all(Array.from({ length: 1_100 }, () => raw.sayAsGo('octavo', 'x', properties)));
      assert.match(String(await gone.promise), /sends faster than it is read/);
      await raw.hear('go');
      const socket = await transport.dial('go', { stream: true });
      await raw.next();
      let waits = 0;
      for (let n = 0; n < 500; n++) {
        const sent = socket.send(item(String(n)));
        if (sent instanceof Promise) waits++;
        await sent;
      }
      assert.ok(waits >= 7, `${waits}`);
      for (let n = 0; n < 500; n++) assert.equal((await raw.next()).body.toString(), String(n));
    }));

  it('is told in its own words when a message is too large', () =>
    withBench(async (bench, raw) => {
      const transport = await bench.started({ maxMessageBytes: 10 });
      await transport.listen('octavo', () => {});
      await raw.hear('inbox');
      await raw.sayAsGo('octavo', 'x'.repeat(11), { replyTo: 'inbox', correlationId: '1' });
      assert.match(String((await raw.next()).headers?.['Micro-Error']), /maxMessageBytes/);
      const calling = call(transport, { address: 'inbox', close: async () => {} }, message('x'));
      const { replyTo = '', correlationId = '' } = await raw.next();
      await raw.say(replyTo, 'y', { correlationId, headers: { A: 'b' } });
      const reply = await calling;
      assert.deepEqual([text(reply), reply?.header.get('a')], ['y', 'b']);
    }));
});
