import assert from 'node:assert/strict';
import { createServer as createWebServer } from 'node:http';
import { constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { OctavoError } from '../../src/core/error.js';
import { isPromise } from '../../src/core/lifecycle.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { GrpcTransport, type GrpcTransportOptions } from '../../src/transport/grpc.js';
import type { Socket } from '../../src/transport/transport.js';
import { call, echo, fails, item, later, message, text } from '../conformance/transport/talk.js';
import { END_STREAM, frame, FRAME, grpcMessage, Http2Peer } from '../support/http2-peer.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';

const ANY = '127.0.0.1:0';

interface Scene {
  readonly address: string;
  readonly transport: GrpcTransport;
  readonly clock: VirtualClock;
  /** What was accepted. */
  readonly sockets: Socket[];
  /** What was logged as refused, in words. */
  readonly refusals: () => string[];
}

/** Runs with a listener whose time stands still. What it accepts answers bodies of four bytes and more, and keeps the others. */
async function scene(
  run: (scene: Scene) => Promise<void>,
  options: GrpcTransportOptions = {},
): Promise<void> {
  const clock = new VirtualClock();
  const logger = new TestLogger();
  const transport = new GrpcTransport(options, { clock, logger });
  const sockets: Socket[] = [];
  const listener = await transport.listen(ANY, (socket) => {
    sockets.push(socket);
    const first = socket.receive();
    if (isPromise(first) || first === undefined || first.body.length < 4) return;
    void socket.send({ header: new Metadata(), body: first.body });
    socket.close();
  });
  const refusals = (): string[] =>
    logger.records.flatMap(({ fields: { error } }) => (error instanceof Error ? [error.message] : []));
  try {
    await run({ address: listener.address, transport, clock, sockets, refusals });
  } finally {
    await transport.stop();
  }
}

/** That the listener still serves others. */
async function serves(address: string): Promise<void> {
  const other = new GrpcTransport({}, parts());
  assert.equal(text(await call(other, { address, close: async () => {} }, message('echo'))), 'echo');
  await other.stop();
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** What a stream was ended with, in the letters that HPACK leaves readable. */
async function endOf(peer: Http2Peer, stream: number): Promise<string> {
  const ends = (): boolean =>
    peer.frames.some((each) => each.stream === stream && (each.flags & END_STREAM) !== 0);
  await until(() => ends() || peer.ended);
  return peer.frames
    .filter((each) => each.type === FRAME.headers && each.stream === stream)
    .map(({ payload }) => payload.toString('latin1'))
    .join();
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of memory in use, without what is garbage. */
function inUse(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('a grpc listener', () => {
  for (const [what, bytes] of [
    ['HTTP/1.1', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['nonsense', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'],
  ] as const)
    it(`shuts the door to ${what}, and says so in the log`, () =>
      scene(async ({ address, refusals }) => {
        const raw = await Raw.open(address);
        raw.write(bytes);
        await raw.end();
        assert.match(refusals()[0] ?? '', /bad client magic/);
        await serves(address);
      }));

  it('closes a connection that says nothing', () =>
    scene(async ({ address, clock, refusals }) => {
      const raw = await Raw.open(address);
      await serves(address);
      await clock.advance(10_000);
      await raw.end();
      assert.match(refusals()[0] ?? '', /nothing of HTTP\/2 came within 10000 ms \(headerTimeoutMs\)/);
    }));

  it('says that other methods are not here', () =>
    scene(async ({ address }) => {
      const peer = await Http2Peer.open(address);
      peer.request(1, { ':path': '/grpc.health.v1.Health/Check' });
      await peer.hears(FRAME.headers, 1);
      await serves(address);
      peer.close();
    }));

  it('ends a stream on which nothing comes', () =>
    scene(async ({ address, clock, sockets }) => {
      const peer = await Http2Peer.open(address);
      peer.request(1);
      await peer.hears(FRAME.headers, 1);
      await clock.advance(12_000);
      await endOf(peer, 1);
      assert.equal(sockets.length, 0);
      peer.close();
    }));

  for (const [what, bytes] of [
    ['a message of 4 GB', Buffer.from('00ffffffff', 'hex')],
    ['a message with more of a header than is taken', grpcMessage('', { Foo: 'x'.repeat(70_000) })],
    ['a compressed message', Buffer.from('0100000000', 'hex')],
    ['what is no protobuf', Buffer.from('0000000002ffff', 'hex')],
  ] as const)
    it(`ends the stream that brings ${what}, and nothing else`, () =>
      scene(async ({ address, sockets }) => {
        const peer = await Http2Peer.open(address);
        peer.request(1);
        peer.data(1, bytes);
        await endOf(peer, 1);
        peer.request(3);
        peer.data(3, grpcMessage('echo'));
        await peer.hears(FRAME.data, 3);
        assert.equal(sockets.length, 1);
        peer.close();
      }));

  it('refuses the streams that are too many, and ends the connection of who knew that', () =>
    scene(
      async ({ address, sockets }) => {
        for (const knows of [false, true]) {
          sockets.length = 0;
          const peer = await Http2Peer.open(address, knows);
          for (const stream of [1, 3, 5, 7]) {
            peer.request(stream, { octavo: '1' });
            peer.data(stream, grpcMessage('x'));
          }
          if (knows) await peer.closed();
          else {
            const { payload } = await peer.hears(FRAME.reset, 7);
            assert.equal(payload.readUInt32BE(), constants.NGHTTP2_REFUSED_STREAM);
            assert.equal(sockets.length, 3);
          }
          peer.close();
        }
        await serves(address);
      },
      { maxStreams: 3 },
    ));

  it('holds what comes byte by byte in little more memory than it takes', () =>
    scene(async ({ address, sockets }) => {
      const peer = await Http2Peer.open(address);
      const before = inUse();
      const streams = [1, 3, 5, 7];
      const bytes = 100_000;
      for (const stream of streams) {
        peer.request(stream, { octavo: '1' });
        peer.data(stream, grpcMessage('x'));
        const one = frame(FRAME.data, 0, stream, Buffer.of(0));
        peer.write(Buffer.concat(Array.from({ length: bytes }, () => one)));
      }
      // Its answer comes after all that was sent before it.
      peer.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
      await peer.hears(FRAME.ping);
      assert.equal(sockets.length, streams.length);
      peer.frames.length = 0;
      const grown = inUse() - before;
      assert.ok(grown < 6 * streams.length * bytes, `${grown} bytes more`);
      peer.close();
    }));

  it('cuts off who begins a message and does not end it', () =>
    scene(async ({ address, clock, sockets }) => {
      const peer = await Http2Peer.open(address);
      peer.request(1, { octavo: '1' });
      peer.data(1, grpcMessage('x'));
      await until(() => sockets.length === 1);
      const received = fails(() => sockets[0]?.receive(), 'unavailable');
      peer.data(1, grpcMessage('never whole').subarray(0, 8));
      peer.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
      await peer.hears(FRAME.ping);
      for (let n = 0; n < 40; n++) {
        await clock.advance(1_700);
        // Signs of life are no progress.
        peer.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await peer.hears(FRAME.reset, 1);
      await received;
      peer.close();
    }));

  it('cuts off who does not take its answer', () =>
    scene(
      async ({ address, clock, sockets }) => {
        const peer = await Http2Peer.open(address);
        peer.request(1, { octavo: '1' });
        peer.data(1, grpcMessage('x'));
        await until(() => sockets.length === 1);
        const sending = sockets[0]?.send(message(Buffer.alloc(1024 * 1024)));
        assert.ok(isPromise(sending));
        const gone = later<OctavoError | undefined>();
        sockets[0]?.onClose(gone.resolve);
        await peer.hears(FRAME.data, 1);
        for (let n = 0; n < 10; n++) await clock.advance(1_000);
        await sending;
        assert.match((await gone.promise)?.message ?? '', /did not take a message within 5000 ms/);
        await peer.hears(FRAME.reset, 1);
        peer.close();
      },
      { timeoutMs: 5_000, keepaliveMs: 0 },
    ));

  it('notices a caller that answers nothing', () =>
    scene(
      async ({ address, clock, sockets }) => {
        const peer = await Http2Peer.open(address);
        peer.request(1, { octavo: '1' });
        peer.data(1, grpcMessage('x'));
        await until(() => sockets.length === 1);
        const gone = later<OctavoError | undefined>();
        sockets[0]?.onClose(gone.resolve);
        for (let n = 0; n < 20 && !peer.ended; n++) {
          await clock.advance(200);
          await new Promise((resolve) => setImmediate(resolve));
        }
        assert.match((await gone.promise)?.message ?? '', /was silent for 3000 ms \(keepaliveMs\)/);
        await peer.closed();
        peer.close();
      },
      { keepaliveMs: 3_000 },
    ));

  it('answers thousands of calls that came at once on one stream, one after the other', () =>
    scene(async ({ address, sockets }) => {
      const peer = await Http2Peer.open(address);
      const calls = 3_000;
      peer.request(1);
      peer.write(frame(FRAME.window, 0, 0, Buffer.from([0x0f, 0, 0, 0])));
      peer.write(frame(FRAME.window, 0, 1, Buffer.from([0x0f, 0, 0, 0])));
      peer.data(1, Buffer.concat(Array.from({ length: calls }, () => grpcMessage('echo'))));
      await until(() => sockets.length === calls);
      peer.close();
    }));

  it('lives through a storm of resets', () =>
    scene(async ({ address, transport }) => {
      const peer = await Http2Peer.open(address);
      for (let stream = 1; stream < 10_000 && !peer.ended; stream += 2) {
        peer.request(stream);
        peer.data(stream, grpcMessage('x'));
        peer.write(frame(FRAME.reset, 0, stream, Buffer.of(0, 0, 0, 8)));
        if (stream % 100 === 1) await new Promise((resolve) => setImmediate(resolve));
      }
      await serves(address);
      await serves(address);
      peer.close();
      assert.equal(transport.name, 'grpc');
    }));
});

describe('who dials on the grpc transport', () => {
  it('is told that the other end speaks HTTP/1.1, and that nothing was executed', async () => {
    const web = createWebServer();
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    // A server that listens has an address with a port.
    const { port } = web.address() as AddressInfo;
    await scene(async ({ transport }) => {
      await assert.rejects(
        async () => transport.dial(`127.0.0.1:${port}`),
        (reason) =>
          reason instanceof OctavoError && reason.code === 'unavailable' && reason.executed === false,
      );
    });
    web.close();
  });

  it('gets a message over its limits as resource_exhausted, and goes on with other calls', async () => {
    const { address, server } = await Http2Peer.listen((peer) => {
      void peer.hears(FRAME.settings).then(() => peer.settle());
      void peer.hears(FRAME.data, 1).then(() => {
        peer.respond(1, { octavo: '1' });
        peer.data(1, Buffer.from('0000ffffff', 'hex'));
      });
      void peer.hears(FRAME.data, 3).then(
        () => {
          peer.respond(3, { octavo: '1' });
          peer.data(3, grpcMessage('fine'));
        },
        () => {},
      );
    });
    await scene(async ({ transport }) => {
      const there = { address, close: async () => {} };
      await fails(() => call(transport, there, message('x')), 'resource_exhausted');
      assert.equal(text(await call(transport, there, message('x'))), 'fine');
    });
    server.close();
  });

  for (const [what, more, code] of [
    ['a status of gRPC', { 'grpc-status': '7', 'grpc-message': 'not%20you' }, 'permission_denied'],
    ['an HTTP status', { ':status': '503' }, 'unavailable'],
    ['a page', { 'content-type': 'text/html' }, 'unavailable'],
  ] as const)
    it(`gets ${what} as an error`, async () => {
      const { address, server } = await Http2Peer.listen((peer) => {
        void peer.hears(FRAME.settings).then(() => peer.settle());
        void peer.hears(FRAME.data, 1).then(() => {
          peer.respond(1, more);
          peer.data(1, Buffer.alloc(0), END_STREAM);
        });
      });
      await scene(async ({ transport }) => {
        await fails(() => call(transport, { address, close: async () => {} }, message('x')), code);
      });
      server.close();
    });

  it('gives up on who never says that it speaks HTTP/2', async () => {
    const { address, server } = await Http2Peer.listen(() => {});
    await scene(async ({ transport, clock }) => {
      const dialling = fails(() => transport.dial(address, { timeoutMs: 100 }), 'deadline_exceeded');
      await clock.advance(100);
      await dialling;
    });
    server.close();
  });

  it('asks a peer that is not Octavo’s once for a sign of life, and not again for minutes', async () => {
    let there: Http2Peer | undefined;
    const { address, server } = await Http2Peer.listen((peer) => {
      there = peer;
      void peer.hears(FRAME.settings).then(() => peer.settle());
    });
    await scene(
      async ({ transport, clock }) => {
        const socket = await transport.dial(address, { stream: true });
        await socket.send(item('x'));
        await there?.hears(FRAME.data, 1);
        there?.respond(1);
        there?.data(1, grpcMessage('y'));
        await socket.receive();
        const pings = (): number => there?.frames.filter(({ type }) => type === FRAME.ping).length ?? 0;
        for (let n = 0; n < 200; n++) {
          await clock.advance(1_000);
          await new Promise((resolve) => setImmediate(resolve));
          const asked = there?.frames.find(({ type, flags }) => type === FRAME.ping && flags === 0);
          if (asked !== undefined && n % 5 === 0) there?.write(frame(FRAME.ping, 1, 0, asked.payload));
        }
        assert.equal(pings(), 1);
        socket.close();
      },
      { timeoutMs: 0 },
    );
    server.close();
  });

  it('may cancel thousands of calls, and its connection lives on', async () => {
    const transport = new GrpcTransport({}, parts());
    let accepted = 0;
    const listener = await transport.listen(ANY, (socket) => {
      accepted++;
      const first = socket.receive();
      if (!isPromise(first) && text(first) === 'echo') echo(socket);
    });
    const kept = await transport.dial(listener.address, { stream: true });
    await kept.send(item('kept'));
    let broke: unknown;
    kept.onClose((error) => (broke = error ?? 'closed'));
    for (let n = 0; n < 3_000; n++) {
      const socket = await transport.dial(listener.address);
      await socket.send(message('x'));
      socket.close(new OctavoError('cancelled', 'enough'));
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => accepted > 2_000);
    assert.equal(broke, undefined);
    await transport.stop();
  });

  it('stops while streams are cut and others end, which nghttp2 would loop on for ever', async () => {
    for (let round = 0; round < 20; round++) {
      const transport = new GrpcTransport({}, parts());
      const listener = await transport.listen(ANY, (socket) => {
        const first = socket.receive();
        if (isPromise(first) || text(first) === 'cut') socket.close(new OctavoError('aborted', 'enough'));
        else void (async () => first !== undefined && socket.send(first))().then(() => socket.close());
      });
      const outcomes = ['a', 'b', 'c', 'cut'].map((each) =>
        call(transport, listener, message(each)).then(text, (reason: unknown) => String(reason)),
      );
      await outcomes[3];
      await transport.stop();
      await Promise.all(outcomes);
    }
  });
});
