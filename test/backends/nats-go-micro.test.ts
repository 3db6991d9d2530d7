import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { nats } from '../../src/transport/nats.js';
import type { Socket } from '../../src/transport/transport.js';
import { readEnvelope, writeEnvelope } from '../../src/transport/nats/envelope.js';
import {
  ANY,
  answering,
  call,
  fails,
  item,
  later,
  message,
  rest,
  text,
} from '../conformance/transport/talk.js';
import { capture } from '../support/capture.js';
import { GoGreeter, GoGreeterClient } from '../support/go-greeter.js';
import { Bench, failure } from '../support/nats-bench.js';
import { RawNats } from '../support/raw-nats.js';

// A Go peer is played by a bare client that says what was recorded of real ones.

/** What was recorded: who each envelope went to, and its bytes. */
const recorded = [
  ...capture('nats-registry-transport-broker-v4.11').matchAll(
    /^MSG (_INBOX\S+) 1 (?:_INBOX\S+ )?\d+\n {4}(\{"Header".*\})$/gm,
  ),
].map(([, to = '', envelope = '']) => ({ toServer: to.startsWith('_INBOX.8oKm'), envelope }));

function options(bench: Bench): ServiceOptions {
  return {
    transport: nats({ addresses: [bench.server.address] }),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: rpcClient({ contentType: 'application/json' }),
    logger: () => new TestLogger(),
    env: {},
  };
}

/** Sends until the socket has ended: the server takes a moment to notice that somebody left. */
async function sendUntilEnd(socket: Socket): Promise<void> {
  let ended = false;
  const end = new Promise<void>((resolve) => {
    socket.onClose(() => {
      ended = true;
      resolve();
    });
  });
  while (!ended) {
    await socket.send(item('anybody?'));
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 5))]);
  }
}

describe('a service on the nats transport', () => {
  it('answers what Go clients were recorded to say', () =>
    Bench.with(async (bench) => {
      const service = createService({
        services: [GoGreeter],
        server: rpcServer({ address: 'greeter' }),
        ...options(bench),
      });
      await service.start();
      const raw = await RawNats.open(bench.server.address);
      raw.hear('go.*');
      const said: string[] = [];
      const [hello, bad, ...stream] = recorded.filter(({ toServer }) => toServer);
      raw.say('greeter', hello?.envelope ?? '', 'go.1');
      const reply = readEnvelope((await raw.next()).data);
      said.push((text(reply) ?? '').trim());
      assert.deepEqual(reply.header.toJSON(), { 'Content-Type': 'application/json' });
      raw.say('greeter', bad?.envelope ?? '', 'go.1');
      said.push(readEnvelope((await raw.next()).data).header.get('Micro-Error') ?? '');
      for (const { envelope } of stream) raw.say('greeter', envelope, 'go.2');
      for (let n = 0; n < 4; n++) said.push((text(readEnvelope((await raw.next()).data)) ?? '').trim());
      assert.deepEqual(said, [
        '{"msg":"Hello John"}',
        '{"id":"greeter.bad","code":400,"detail":"bad <John> é","status":"Bad Request"}',
        ...['a-0', 'a-1', 'a-0', 'a-1'].map((msg) => `{"msg":"${msg}"}`),
      ]);
      await raw.close();
      await service.stop();
    }));

  it('calls a Go server as recorded ones want it, by an inbox that serves again', () =>
    Bench.with(async (bench) => {
      const service = createService({ name: 'caller', ...options(bench) });
      await service.start();
      const greeter = service.resolve(GoGreeterClient);
      const raw = await RawNats.open(bench.server.address);
      raw.hear('gogreeter');
      await raw.flush();
      const [hello, bad] = recorded.filter(({ toServer }) => !toServer);
      const inboxes: (string | undefined)[] = [];
      for (let n = 0; n < 3; n++) {
        const calling = greeter.hello({ name: 'John', n: 3 }, { address: 'gogreeter' });
        const { data, reply } = await raw.next();
        const request = readEnvelope(data);
        assert.equal(request.header.get('Micro-Endpoint'), 'Greeter.Hello');
        assert.match(Buffer.from(data).toString(), /"Micro-ID":"\d"/);
        assert.deepEqual(JSON.parse(text(request) ?? ''), { name: 'John', n: 3 });
        inboxes.push(reply);
        raw.say(reply ?? '', hello?.envelope ?? '');
        assert.equal((await calling).msg, 'Hello John');
      }
      assert.equal(new Set(inboxes).size, 1);
      const failing = failure(() => greeter.bad({ name: 'John' }, { address: 'gogreeter' }));
      raw.say((await raw.next()).reply ?? '', bad?.envelope ?? '');
      assert.deepEqual([(await failing).code, (await failing).id], ['invalid_argument', 'greeter.bad']);
      await raw.close();
      await service.stop();
    }));
});

describe('a go-micro peer of the nats transport', () => {
  it('that is not there is noticed by the first message of a call, and by dialling for a stream', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const socket = await transport.dial('nobody');
      await socket.send(message('x'));
      for (const missed of [() => socket.receive(), () => transport.dial('nobody', { stream: true })]) {
        const error = await failure(async () => missed());
        assert.deepEqual([error.code, error.executed], ['unavailable', false]);
      }
    }));

  it('is asked whether it is there by the end of a stream that it cannot know', () =>
    Bench.with(async (bench) => {
      const [transport, other] = [await bench.started(), await bench.started()];
      const raw = await RawNats.open(bench.server.address);
      raw.hear('go');
      await raw.flush();
      await transport.dial('go', { stream: true });
      const question = await raw.next();
      assert.deepEqual(readEnvelope(question.data).header.toJSON(), {
        Connection: 'close',
        'Micro-Stream': '0',
        'Micro-Error': 'EOS',
      });
      // And so it may be asked of us.
      await other.listen('octavo', () => assert.fail('it is no call'));
      raw.say('octavo', question.data, 'inbox');
      await raw.flush();
      await other.stop();
      await raw.close();
    }));

  it('that dies in a stream is noticed by the next message', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const raw = await RawNats.open(bench.server.address);
      raw.hear('go');
      await raw.flush();
      const socket = await transport.dial('go', { stream: true });
      await raw.next();
      await socket.send(item('x'));
      await raw.next();
      await raw.close();
      await sendUntilEnd(socket);
      const error = await failure(async () => socket.receive());
      assert.deepEqual([error.code, error.executed], ['unavailable', undefined]);
    }));

  it('that called and went away ends the socket when it is answered', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const gone = later<OctavoError | undefined>();
      const left = later<void>();
      await transport.listen(
        'octavo',
        answering(async (socket) => {
          await left.promise;
          await sendUntilEnd(socket);
          socket.onClose(gone.resolve);
        }),
      );
      const raw = await RawNats.open(bench.server.address);
      raw.hear('inbox');
      raw.say('octavo', writeEnvelope(item('x')), 'inbox');
      await raw.flush();
      await raw.close();
      left.resolve();
      assert.equal((await gone.promise)?.code, 'unavailable');
    }));

  it('that opened a stream and says nothing more is given up, as go-micro does', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started({ timeoutMs: 200, keepaliveMs: 50 });
      const gone = later<OctavoError | undefined>();
      await transport.listen('octavo', (socket) => socket.onClose(gone.resolve));
      const raw = await RawNats.open(bench.server.address);
      raw.say('octavo', writeEnvelope(item('x')), 'inbox');
      assert.match((await gone.promise)?.message ?? '', /nothing went either way for 200 ms/);
      await raw.close();
    }));

  it('that sends without end, while nobody reads, is cut off', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const gone = later<OctavoError | undefined>();
      await transport.listen('octavo', (socket) => socket.onClose(gone.resolve));
      const raw = await RawNats.open(bench.server.address);
      for (let n = 0; n < 2_000; n++) raw.say('octavo', writeEnvelope(item('x')), 'inbox');
      assert.equal((await gone.promise)?.code, 'resource_exhausted');
      await raw.close();
    }));

  it('is told in its own words when a message is too large, or too many calls are open', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started({ maxMessageBytes: 10, maxSockets: 1 });
      await transport.listen('octavo', () => {});
      const raw = await RawNats.open(bench.server.address);
      raw.hear('inbox.*');
      raw.say('octavo', writeEnvelope(message('x'.repeat(11))), 'inbox.1');
      assert.match(readEnvelope((await raw.next()).data).header.get('Micro-Error') ?? '', /maxMessageBytes/);
      raw.say('octavo', writeEnvelope(message('x')), 'inbox.2');
      raw.say('octavo', writeEnvelope(message('x')), 'inbox.3');
      const { data, subject } = await raw.next();
      assert.equal(subject, 'inbox.3');
      assert.match(readEnvelope(data).header.get('Micro-Error') ?? '', /"code":429.*maxSockets/);
      await raw.close();
    }));

  it('that answers nonsense fails the call and nothing else', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const raw = await RawNats.open(bench.server.address);
      raw.hear('go');
      await raw.flush();
      const listener = { address: 'go', close: async () => {} };
      const calling = failure(() => call(transport, listener, message('x')));
      raw.say((await raw.next()).reply ?? '', 'nonsense');
      assert.match((await calling).message, /go does not speak this protocol/);
      await raw.close();
    }));

  it('gets a stream at the pace of the server', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const raw = await RawNats.open(bench.server.address);
      raw.hear('go');
      await raw.flush();
      const socket = await transport.dial('go', { stream: true });
      let waits = 0;
      for (let n = 0; n < 500; n++) {
        const sent = socket.send(item(String(n)));
        if (sent instanceof Promise) waits++;
        await sent;
      }
      assert.ok(waits >= 7, `${waits}`);
      await raw.next();
      for (let n = 0; n < 500; n++) assert.equal(text(readEnvelope((await raw.next()).data)), String(n));
      await bench.server.pause();
      while (!(socket.send(item('x')) instanceof Promise));
      await bench.server.kill();
      await fails(() => rest(socket), 'unavailable');
      await raw.close();
    }));

  it('reaches a listener of any address', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(
        ANY,
        answering(async (socket) => {
          await socket.receive();
          await socket.send(message('hi'));
          socket.close();
        }),
      );
      const raw = await RawNats.open(bench.server.address);
      raw.hear('inbox');
      for (let n = 0; n < 3; n++) {
        raw.say(listener.address, writeEnvelope(message('x')), 'inbox');
        assert.equal(text(readEnvelope((await raw.next()).data)), 'hi');
      }
      await raw.close();
    }));
});
