import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPromise } from '../../src/core/lifecycle.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { GrpcTransport } from '../../src/transport/grpc.js';
import type { Listener } from '../../src/transport/transport.js';
import { answering, call, echo, later, message } from '../conformance/transport/talk.js';
import { END_STREAM, frame, FRAME, grpcMessage, Http2Peer } from '../support/http2-peer.js';
import { parts } from '../support/parts.js';

const ANY = '127.0.0.1:0';

/** Runs with a listener that echoes, and whose time stands still. */
async function scene(
  run: (listener: Listener, clock: VirtualClock, transport: GrpcTransport) => Promise<void>,
): Promise<void> {
  const clock = new VirtualClock();
  const transport = new GrpcTransport({}, { clock, logger: new TestLogger() });
  const listener = await transport.listen(ANY, echo);
  try {
    await run(listener, clock, transport);
  } finally {
    await transport.stop();
  }
}

/** Waits for the frame that ends a stream. */
async function ended(peer: Http2Peer, stream: number): Promise<void> {
  while (!peer.frames.some((each) => each.stream === stream && (each.flags & END_STREAM) !== 0)) {
    assert.ok(!peer.ended, 'the connection ended before the stream did');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A caller as go-micro's is, whose first call was answered. */
async function goCaller(address: string): Promise<Http2Peer> {
  const peer = await Http2Peer.open(address);
  peer.request(1);
  peer.data(1, grpcMessage('one'));
  await peer.hears(FRAME.data, 1);
  return peer;
}

describe('the grpc transport', () => {
  it('ends the stream of a caller that may make another call when the listener closes', () =>
    scene(async (listener) => {
      const peer = await goCaller(listener.address);
      const closed = listener.close();
      await peer.hears(FRAME.goaway);
      await ended(peer, 1);
      peer.close();
      await closed;
    }));

  it('ends the stream of a caller that made no call for too long', () =>
    scene(async ({ address }, clock) => {
      const peer = await goCaller(address);
      const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
      for (let n = 0; n < 13; n++) {
        // A sign of life, or it would be taken for dead before.
        peer.frames.length = 0;
        peer.write(ping);
        await peer.hears(FRAME.ping);
        await clock.advance(9_900);
      }
      await ended(peer, 1);
      peer.close();
    }));

  it('puts together only so much of long messages at a time, and all arrive', async () => {
    const transport = new GrpcTransport({}, parts());
    const listener = await transport.listen(
      ANY,
      answering(async (socket) => {
        const received = await socket.receive();
        await socket.send(message(String(received?.body.length)));
        socket.close();
      }),
    );
    const body = Buffer.alloc(4 * 1024 * 1024);
    const calls = Array.from({ length: 32 }, () => call(transport, listener, message(body)));
    for (const reply of await Promise.all(calls))
      assert.equal(Buffer.from(reply?.body ?? []).toString(), String(body.length));
    await transport.stop();
  });

  it('carries streams of many connections when one is full', async () => {
    const transport = new GrpcTransport({ maxStreams: 2 }, parts());
    const here = later<void>();
    let accepted = 0;
    const listener = await transport.listen(ANY, (socket) => {
      const first = socket.receive();
      assert.ok(!isPromise(first));
      if (++accepted === 5) here.resolve();
    });
    for (let n = 0; n < 5; n++) {
      const socket = await transport.dial(listener.address, { stream: true });
      await socket.send(message('x'));
    }
    await here.promise;
    await transport.stop();
  });
});
