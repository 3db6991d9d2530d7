import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { describe, it } from 'node:test';
import { schemaOf } from '../../src/schema/schema.js';
import { GrpcServer, type GrpcServerOptions } from '../../src/server/grpc.js';
import { Ask, ProbeClient } from '../conformance/probe.js';
import type { ServerSubject } from '../conformance/server.js';
import { grpcSubject } from '../support/grpc-subject.js';
import { END_STREAM, frame, FRAME, Http2Peer } from '../support/http2-peer.js';
import { framed, RawGrpc } from '../support/raw-grpc.js';

const CONTINUATION = 9;
const END_HEADERS = 0x4;
const ASK = framed(schemaOf(Ask).encode({ text: 'x' }));

/** nghttp2 says goodbye to such a caller and hears no more of it; its connection is closed when it was silent for so long. */
const SOON: GrpcServerOptions = { keepaliveMs: 300 };

interface Scene {
  readonly subject: ServerSubject;
  readonly peer: Http2Peer;
  /** Opens a call of the probe. */
  readonly call: (stream: number, method: string, more?: Readonly<Record<string, string>>) => void;
  /** How many calls run. */
  readonly active: () => number;
}

/** Runs with a peer that speaks HTTP/2 by hand; whatever it does, others are served afterwards, and nothing of it is left. */
async function scene(run: (scene: Scene) => Promise<void>, options: GrpcServerOptions = {}): Promise<void> {
  const subject = grpcSubject(options);
  await subject.start?.();
  const { server } = subject;
  assert.ok(server instanceof GrpcServer);
  const peer = await Http2Peer.open(subject.address);
  try {
    await run({
      subject,
      peer,
      call: (stream, method, more) =>
        peer.request(stream, { ':path': `/conformance.Probe/${method}`, ...more }),
      active: () => server.stats.active,
    });
    peer.close();
    assert.equal((await new ProbeClient(subject.client).echo({ text: 'others' })).text, 'others');
    await until(() => server.stats.active === 0);
  } finally {
    peer.close();
    await subject.stop?.();
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

function reset(stream: number, code: number = constants.NGHTTP2_CANCEL): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(FRAME.reset, 0, stream, payload);
}

describe('a hostile caller of the grpc server', () => {
  it('that opens calls and resets them at once, for ever, is cut off', () =>
    scene(async ({ peer, call }) => {
      for (let stream = 1; !peer.ended && stream < 40_000; stream += 2) {
        call(stream, 'Wait');
        peer.data(stream, ASK, END_STREAM);
        peer.write(reset(stream));
        if (stream % 401 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await peer.closed();
    }, SOON));

  it('that continues its headers for ever is cut off', () =>
    scene(async ({ peer }) => {
      const name = Buffer.from('x'.repeat(100));
      const header = Buffer.concat([Buffer.of(0, name.length), name, Buffer.of(100), name]);
      const block = Buffer.concat(Array.from({ length: 20 }, () => header));
      peer.write(frame(FRAME.headers, 0, 1, block));
      for (let n = 0; n < 5_000 && !peer.ended; n++) {
        peer.write(frame(CONTINUATION, 0, 1, block));
        if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await peer.closed();
    }, SOON));

  for (const [what, bytes] of [
    ['settings', frame(FRAME.settings, 0, 0)],
    ['pings', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
  ] as const)
    it(`that sends ${what} and never reads what answers them is cut off, or costs little`, () =>
      scene(async ({ peer }) => {
        peer.socket.pause();
        const before = process.memoryUsage().rss;
        const many = Buffer.concat(Array.from({ length: 1_000 }, () => bytes));
        for (let n = 0; n < 300 && !peer.socket.destroyed && peer.socket.writableLength < 4e6; n++) {
          peer.write(many);
          await new Promise((resolve) => setImmediate(resolve));
        }
        const grown = process.memoryUsage().rss - before;
        assert.ok(grown < 100e6, `${grown} bytes more`);
      }));

  it('that opens more calls than it may is refused, unexecuted', () =>
    scene(
      async ({ peer, call, active }) => {
        // It has not said that it knows of the limit.
        const eager = await Http2Peer.open(peer.socket.remoteAddress + ':' + peer.socket.remotePort, false);
        for (const stream of [1, 3, 5]) {
          eager.request(stream, { ':path': '/conformance.Probe/Wait' });
          eager.data(stream, ASK, END_STREAM);
        }
        const { payload } = await eager.hears(FRAME.reset, 5);
        assert.equal(payload.readUInt32BE(), constants.NGHTTP2_REFUSED_STREAM);
        assert.equal(active(), 2);
        eager.close();
        await until(() => active() === 0);
        call(1, 'Echo');
        peer.data(1, ASK, END_STREAM);
        await peer.hears(FRAME.data, 1);
      },
      { maxConcurrentStreams: 2 },
    ));

  it('that begins a message and does not end it is cut off', () =>
    scene(
      async ({ peer, call }) => {
        call(1, 'Sum');
        peer.data(1, ASK.subarray(0, 6));
        const { payload } = await peer.hears(FRAME.reset, 1);
        assert.equal(payload.readUInt32BE(), constants.NGHTTP2_CANCEL);
      },
      { timeoutMs: 100 },
    ));

  it('that lets a call begin and says nothing more is answered at the deadline of the endpoint', () =>
    scene(
      async ({ peer, call, active }) => {
        call(1, 'Echo');
        await until(() => active() === 1);
        await peer.hears(FRAME.headers, 1);
      },
      { requestTimeoutMs: 100 },
    ));

  it('that is there no more, and whose network does not say so, is noticed', () =>
    scene(
      async ({ peer, call, subject }) => {
        call(1, 'Wait', { 'grpc-timeout': '1H' });
        peer.data(1, ASK, END_STREAM);
        await subject.probe.waiting.next();
        // It answers no ping.
        await peer.hears(FRAME.ping);
        assert.equal(await subject.probe.cancelled.next(), 'cancelled');
        await peer.closed();
      },
      { keepaliveMs: 300 },
    ));

  it('that resets a call whose request is in cancels its handler', () =>
    scene(async ({ peer, call, subject }) => {
      call(1, 'Wait', { 'grpc-timeout': '1H' });
      peer.data(1, ASK, END_STREAM);
      await subject.probe.waiting.next();
      peer.write(reset(1));
      assert.equal(await subject.probe.cancelled.next(), 'cancelled');
    }));

  it('that goes on sending after it was answered is told to stop, and what it sends is dropped', () =>
    scene(async ({ peer, call }) => {
      call(1, 'Nothing');
      await peer.hears(FRAME.headers, 1);
      const { payload } = await peer.hears(FRAME.reset, 1);
      assert.equal(payload.readUInt32BE(), constants.NGHTTP2_NO_ERROR);
    }));

  it('that is compressed more than once, or with flags that nobody knows, is refused', () =>
    scene(async ({ subject }) => {
      const raw = new RawGrpc(subject.address);
      const body = Buffer.of(0x82, 0, 0, 0, 1, 0);
      const { status, message } = await raw.call('/conformance.Probe/Echo', { body });
      assert.equal(status, '13');
      assert.match(message ?? '', /the flags 130/);
      raw.close();
    }));

  it('that sends headers of HTTP/2 in the wrong order ends its own connection', () =>
    scene(async ({ peer }) => {
      peer.write(frame(FRAME.data, END_STREAM, 1, ASK));
      peer.write(frame(FRAME.headers, END_HEADERS, 2, Buffer.of(0x83)));
      await peer.closed();
    }, SOON));
});
