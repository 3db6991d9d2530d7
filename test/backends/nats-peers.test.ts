import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FRAME, numberFrame, writeFrame } from '../../src/transport/bus/frame.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import type { NatsTransport } from '../../src/transport/nats.js';
import type { Socket } from '../../src/transport/transport.js';
import {
  ANY,
  bothEnds,
  call,
  echo,
  fails,
  item,
  later,
  message,
  text,
} from '../conformance/transport/talk.js';
import { Bench, failure, timed } from '../support/nats-bench.js';
import { holdsForSharedAddresses } from '../support/shared-address.js';
import { startPeer } from '../support/peer-process.js';
import { RawNats } from '../support/raw-nats.js';
import type { ServerProcess } from '../support/server-process.js';

const QUICK = { keepaliveMs: 100 };

async function withPeer(run: (bench: Bench, peer: ServerProcess) => Promise<void>): Promise<void> {
  await Bench.with(async (bench) => {
    const peer = await startPeer('nats', bench.server.address, 'probe');
    try {
      await run(bench, peer);
    } finally {
      await peer.kill();
    }
  });
}

/** A stream with the peer's Probe.Chat that waits for an answer, and how it ends. */
async function waiting(transport: NatsTransport): Promise<{ readonly ended: Promise<Error> }> {
  const socket = await transport.dial('probe', { stream: true });
  const names = {
    'Micro-Service': 'probe',
    'Micro-Endpoint': 'Probe.Chat',
    'Micro-Stream': '1',
    Octavo: '1',
  };
  await socket.send({ header: new Metadata(names), body: EMPTY });
  assert.equal((await socket.receive())?.header.get('Octavo-Frame'), 'open');
  return { ended: failure(async () => socket.receive()) };
}

describe('the death of a peer', () => {
  it('ends its streams at the next sign of life', () =>
    withPeer(async (bench, peer) => {
      const transport = await bench.started(QUICK);
      const { ended } = await waiting(transport);
      await peer.kill();
      const ms = await timed(async () => assert.match((await ended).message, /has gone/));
      assert.ok(ms < 2_000, `${ms} ms`);
      const peerless = { address: 'probe', close: async () => {} };
      const refused = await failure(() => call(transport, peerless, message('x')));
      assert.deepEqual([refused.code, refused.executed], ['unavailable', false]);
    }));

  it('leaves calls that did not reach it as not executed, each of them', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const raw = await RawNats.open(bench.server.address);
      raw.hear('brief.octavo');
      await raw.flush();
      const brief = { address: 'brief', close: async () => {} };
      const calls = [1, 2, 3].map((n) => failure(() => call(transport, brief, message(String(n)))));
      const { reply = '' } = await raw.next();
      // It answers, and where it wants to be spoken to nobody is any more.
      raw.say(reply, writeFrame(FRAME.welcome, 0, Uint8Array.of(1)), 'nobody.there');
      for (const { code, executed } of await Promise.all(calls))
        assert.deepEqual([code, executed], ['unavailable', false]);
      await raw.close();
    }));

  it('leaves a call as not executed that did not reach it, also behind what did not either', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const raw = await RawNats.open(bench.server.address);
      raw.hear('brief.octavo');
      const forget = raw.hear('there');
      await raw.flush();
      const dialled = transport.dial('brief', { stream: true });
      const { reply = '' } = await raw.next();
      raw.say(reply, writeFrame(FRAME.welcome, 0, Uint8Array.of(1)), 'there');
      const stream = await dialled;
      await stream.send(item('open'));
      await raw.next();
      forget();
      await raw.flush();
      const brief = { address: 'brief', close: async () => {} };
      const [called] = await Promise.all([
        failure(() => call(transport, brief, message('behind'))),
        stream.send(item('not there')),
      ]);
      assert.deepEqual([called.code, called.executed], ['unavailable', false]);
      const { code, executed } = await failure(() => stream.receive());
      assert.deepEqual([code, executed], ['unavailable', undefined]);
      await raw.close();
    }));

  it('by freezing is noticed, too, and it learns of that when it goes on', () =>
    withPeer(async (bench, peer) => {
      const transport = await bench.started(QUICK);
      const { ended } = await waiting(transport);
      await peer.pause();
      const ms = await timed(async () => assert.match((await ended).message, /no sign of life/));
      assert.ok(ms < 2_000, `${ms} ms`);
      await fails(() => transport.dial('probe', { timeoutMs: 50 }), 'deadline_exceeded');
      peer.resume();
      // It has nothing left to wait for.
      const stopping = await timed(() => peer.end());
      assert.ok(stopping < 5_000, `${stopping} ms`);
    }));

  it('does not concern those who talk with others', () =>
    withPeer(async (bench, peer) => {
      const transport = await bench.started(QUICK);
      const { near, far } = await bothEnds(transport);
      const { ended } = await waiting(transport);
      await peer.kill();
      await ended;
      await near.send(item('still here'));
      assert.equal(text(await far.receive()), 'still here');
    }));
});

describe('a reader that is slow', () => {
  it('bloats neither end: a sender that is offered 1 GB waits', { timeout: 60_000 }, () =>
    Bench.with(async (bench) => {
      const [here, there] = [await bench.started(), await bench.started()];
      const accepted = later<Awaited<ReturnType<typeof bothEnds>>['far']>();
      const { address } = await there.listen(ANY, accepted.resolve);
      const near = await here.dial(address, { stream: true });
      await near.send(item('open'));
      const far = await accepted.promise;
      const body = Buffer.alloc(64 * 1024);
      let sent = 0;
      let most = 0;
      const before = process.memoryUsage().rss;
      const until = performance.now() + 5_000;
      const sending = (async () => {
        while (sent < 16_384 && performance.now() < until) {
          await near.send(item(body));
          sent++;
          most = Math.max(most, process.memoryUsage().rss - before);
        }
        near.close();
      })();
      let read = 0;
      while ((await far.receive()) !== undefined) {
        read++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await sending;
      assert.equal(read, sent + 1);
      assert.ok(most < 100 * 1024 * 1024, `${Math.round(most / 1024 / 1024)} MB more after ${sent} messages`);
    }),
  );

  it('is cut off when it does not read at all, in time', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started({ timeoutMs: 200 });
      const { near, far } = await bothEnds(transport);
      while (!(near.send(item(Buffer.alloc(64 * 1024))) instanceof Promise));
      const error = await new Promise((resolve) => near.onClose(resolve));
      assert.match(String(error), /nobody read for 200 ms/);
      await new Promise<unknown>((resolve) => far.onClose(resolve));
    }));
});

describe('an end whose limit is stricter', () => {
  it('refuses what comes over it, tells both ends which, and accepts nothing that begins so', () =>
    Bench.with(async (bench) => {
      const [here, there] = [await bench.started(), await bench.started({ maxMessageBytes: 10 })];
      const accepted: Socket[] = [];
      const { address } = await there.listen(ANY, (socket) => accepted.push(socket));
      const stream = await here.dial(address, { stream: true });
      await stream.send(item('0123456789'));
      await stream.send(item('0123456789a'));
      const error = await failure(async () => stream.receive());
      assert.equal(error.code, 'resource_exhausted');
      assert.match(error.message, /maxMessageBytes/);
      const far = accepted[0];
      assert.equal(text(await far?.receive()), '0123456789');
      await fails(() => far?.receive(), 'resource_exhausted');
      await fails(
        () => call(here, { address, close: async () => {} }, message('0123456789a')),
        'resource_exhausted',
      );
      assert.equal(accepted.length, 1);
    }));
});

describe('a listener that throws', () => {
  it('loses that socket, and no other on the same link', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, (socket) => {
        // The first message is there.
        if (text(socket.receive() as Message) === 'throw') throw new Error('a secret of the house');
        void socket.send(message('fine'));
        socket.close();
      });
      const [thrown, fine] = [
        failure(() => call(transport, listener, message('throw'))),
        call(transport, listener, message('x')),
      ];
      assert.doesNotMatch((await thrown).message, /secret/);
      assert.equal(text(await fine), 'fine');
      assert.ok(bench.logger.records.some(({ level }) => level === 'error'));
    }));
});

describe('two transports at one server', () => {
  it('cannot have one address', () =>
    Bench.with(async (bench) => {
      const [one, other] = [await bench.started(), await bench.started()];
      await one.listen('greeter', echo);
      const error = await failure(() => other.listen('greeter', echo));
      assert.match(error.message, /the address greeter is in use/);
    }));
});

describe('servers that share an address over nats', () => {
  it('answer twice, and the second one is told that it is not wanted, whatever it says', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const raw = await RawNats.open(bench.server.address);
      for (const subject of ['brief.octavo', 'one', 'two']) raw.hear(subject);
      await raw.flush();
      const called = call(transport, { address: 'brief', close: async () => {} }, message('hello'));
      const { reply = '' } = await raw.next();
      const SHARED = Uint8Array.of(1, 1);
      raw.say(reply, writeFrame(FRAME.welcome, 0, SHARED), 'one');
      const asked = await raw.next();
      assert.deepEqual([asked.subject, asked.data[0]], ['one', FRAME.call]);
      const ping = writeFrame(FRAME.ping, 0);
      for (const frame of [writeFrame(FRAME.welcome, 0, SHARED), ping]) {
        raw.say(reply, frame, 'two');
        const told = await raw.next();
        assert.deepEqual([told.subject, told.data[0]], ['two', FRAME.gone]);
      }
      const answer = writeFrame(
        FRAME.message,
        1,
        Buffer.concat([Buffer.of(0, 0, 0, 2), Buffer.from('[]hi')]),
      );
      numberFrame(answer, 1);
      raw.say(reply, answer, 'one');
      assert.equal(text(await called), 'hi');
      await raw.close();
    }));

  it('are a queue group: all get calls, also who comes later, and none who has left', () =>
    Bench.with((bench) => holdsForSharedAddresses(() => bench.started({ shared: true, keepaliveMs: 50 }))));
});
