import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  FRAME,
  numberFrame,
  readFrame,
  writeCount,
  writeFrame,
  writeMessage,
} from '../../src/transport/nats/frame.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import type { NatsTransport } from '../../src/transport/nats.js';
import {
  ANY,
  answering,
  bothEnds,
  call,
  echo,
  echoAll,
  fails,
  item,
  later,
  message,
  text,
} from '../conformance/transport/talk.js';
import { Bench, failure, timed, works } from '../support/nats-bench.js';
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

/** A bare client that has a link with a listener, in whose name it can say anything. */
class Stranger {
  readonly raw: RawNats;
  readonly #to: string;
  #number = 0;

  private constructor(raw: RawNats, to: string) {
    this.raw = raw;
    this.#to = to;
  }

  static async meet(server: string, address: string): Promise<Stranger> {
    const raw = await RawNats.open(server);
    raw.hear('stranger');
    raw.say(`${address}.octavo`, writeFrame(FRAME.hello, 0, Uint8Array.of(1)), 'stranger');
    const welcome = await raw.next();
    assert.equal(readFrame(welcome.data).type, FRAME.welcome);
    return new Stranger(raw, welcome.reply ?? '');
  }

  say(frame: Buffer, skip = 0): void {
    this.#number += skip;
    numberFrame(frame, this.#number++);
    this.raw.say(this.#to, frame, 'stranger');
  }

  /** Says what is not even a frame. */
  blurt(bytes: Uint8Array): void {
    this.raw.say(this.#to, bytes, 'stranger');
  }

  async hears(type: number): Promise<Buffer> {
    for (;;) {
      const { data } = await this.raw.next();
      const frame = readFrame(data);
      if (frame.type === type) return frame.rest;
    }
  }
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

describe('a peer that does not keep to the rules', () => {
  it('is cut off when it does not wait though it was told to', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const { address } = await transport.listen(ANY, () => {});
      const stranger = await Stranger.meet(bench.server.address, address);
      stranger.say(writeMessage(FRAME.stream, 1, item('x')));
      for (let n = 0; n < 1_000; n++) stranger.say(writeMessage(FRAME.message, 1, item('x')));
      assert.match((await stranger.hears(FRAME.cut)).toString(), /resource_exhausted/);
      await stranger.raw.close();
    }));

  it('loses its link when a frame is lost, or makes no sense, and nobody else does', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const ended: (Error | undefined)[] = [];
      const listener = await transport.listen(ANY, (socket) => {
        socket.onClose((error) => ended.push(error));
        echoAll(socket);
      });
      const wrongs: ((stranger: Stranger) => void)[] = [
        (stranger) => stranger.say(writeMessage(FRAME.message, 1, item('x')), 1),
        (stranger) => stranger.blurt(Uint8Array.of(1, 2, 3)),
        (stranger) => stranger.blurt(new Uint8Array(0)),
        (stranger) => stranger.say(writeFrame(FRAME.read, 1, writeCount(99))),
        (stranger) => stranger.say(writeFrame(FRAME.read, 1, 'x')),
        (stranger) => stranger.say(writeFrame(FRAME.welcome, 0)),
        (stranger) => stranger.say(writeMessage(FRAME.stream, 1, item('twice'))),
      ];
      for (const wrong of wrongs) {
        const stranger = await Stranger.meet(bench.server.address, listener.address);
        stranger.say(writeMessage(FRAME.stream, 1, item('x')));
        await stranger.hears(FRAME.message);
        wrong(stranger);
        await stranger.hears(FRAME.gone);
        await stranger.raw.close();
      }
      assert.equal(ended.length, wrongs.length);
      for (const error of ended) assert.match(String(error), /unavailable|broke/);
      await works(transport, listener);
    }));

  it('harms nobody by what is in its messages', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, echo);
      const stranger = await Stranger.meet(bench.server.address, listener.address);
      const rests = [
        '',
        'x',
        '\0\0\0\x02[]',
        '\0\0\0\x05[1,2]',
        '\xff\xff\xff\xff',
        '\0\0\0\x09["a\\n","b"]',
      ];
      rests.forEach((rest, n) => stranger.say(writeFrame(FRAME.call, n + 1, Buffer.from(rest, 'latin1'))));
      // An empty list of pairs is a header, though an empty one.
      for (let n = 0; n < rests.length - 1; n++)
        assert.match((await stranger.hears(FRAME.cut)).toString(), /malformed/);
      for (const to of [listener.address, `${listener.address}.octavo`])
        for (const what of ['', 'x', '{"Header":{"A":"b\\r\\n"}}', '[]', '{}'])
          for (const reply of [undefined, 'stranger', 'stranger.*', '>']) stranger.raw.say(to, what, reply);
      await stranger.raw.flush();
      await works(transport, listener);
      assert.deepEqual(
        bench.logger.records.filter(({ level }) => level === 'error'),
        [],
      );
      await stranger.raw.close();
    }));

  it('is refused when too many calls are open, which were not executed', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started({ maxSockets: 2 });
      const release = later<void>();
      const listener = await transport.listen(
        ANY,
        answering(async (socket) => {
          await release.promise;
          await socket.send(message('done'));
          socket.close();
        }),
      );
      const two = [call(transport, listener, message('1')), call(transport, listener, message('2'))];
      const refused = await failure(() => call(transport, listener, message('3')));
      assert.deepEqual([refused.code, refused.executed], ['resource_exhausted', false]);
      release.resolve();
      assert.deepEqual((await Promise.all(two)).map(text), ['done', 'done']);
      assert.equal(text(await call(transport, listener, message('4'))), 'done');
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
