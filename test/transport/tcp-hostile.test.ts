import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { isPromise } from '../../src/core/lifecycle.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { HttpTransport } from '../../src/transport/http.js';
import { TcpTransport, type TcpTransportOptions } from '../../src/transport/tcp.js';
import * as wire from '../../src/transport/tcp/frames.js';
import { writePreface, writeRefusal } from '../../src/transport/tcp/preface.js';
import type { Listener, Socket } from '../../src/transport/transport.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';
import { TcpPeer, TERMS } from '../support/tcp-peer.js';

const ANY = '127.0.0.1:0';

interface Scene {
  readonly address: string;
  readonly listener: Listener;
  readonly transport: TcpTransport;
  readonly clock: VirtualClock;
  /** What was accepted. */
  readonly sockets: Socket[];
  /** What was logged as refused, in words. */
  readonly refusals: () => string[];
}

/** Runs with a listener whose time stands still. What it accepts answers bodies of four bytes and more, and keeps the others. */
async function scene(run: (scene: Scene) => Promise<void>, options: TcpTransportOptions = {}): Promise<void> {
  const clock = new VirtualClock();
  const logger = new TestLogger();
  const transport = new TcpTransport(options, { clock, logger });
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
    await run({ address: listener.address, listener, transport, clock, sockets, refusals });
  } finally {
    await transport.stop();
  }
}

/** That the listener still serves others. */
async function serves(address: string): Promise<void> {
  const peer = await TcpPeer.open(address);
  peer.message(wire.OPEN, 1, Buffer.from('echo'));
  await peer.hears('end 1');
  peer.close();
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a tcp listener', () => {
  it('answers who speaks HTTP in HTTP, and says so in the log', () =>
    scene(async ({ address, refusals }) => {
      const raw = await Raw.open(address);
      raw.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match(
        await raw.end(),
        /^HTTP\/1\.1 400 Bad Request\r\n[^]*speaks Octavo's tcp transport, not HTTP/,
      );
      assert.match(refusals()[0] ?? '', /it speaks HTTP, and not Octavo's tcp transport/);
      await serves(address);
    }));

  it('tells a caller over the http transport what it is', () =>
    scene(async ({ address }) => {
      const http = new HttpTransport({}, parts());
      const socket = await http.dial(address);
      await socket.send({ header: new Metadata({ 'Micro-Service': 'x' }), body: Buffer.alloc(1) });
      await assert.rejects(async () => socket.receive(), /speaks Octavo's tcp transport, not HTTP/);
      await http.stop();
    }));

  it('is told what a listener of the http transport is', async () => {
    const http = new HttpTransport({}, parts());
    const { address } = await http.listen(ANY, () => {});
    await scene(async ({ transport }) => {
      await assert.rejects(
        async () => transport.dial(address),
        (reason) =>
          reason instanceof OctavoError && /it speaks HTTP/.test(reason.message) && reason.executed === false,
      );
    });
    await http.stop();
  });

  for (const [what, bytes, reason] of [
    ['TLS', Buffer.from('16030100c8010000c4', 'hex'), /it speaks TLS/],
    ['nonsense', Buffer.from('\r\n\r\n'), /it speaks something else/],
    [
      'a refusal, which is not its to say',
      writeRefusal(new OctavoError('internal', 'evil')),
      /it speaks version 0/,
    ],
    [
      'another version',
      Buffer.concat([wire.MAGIC, Buffer.of(7)]),
      /it speaks version 7 .* this is version 1/,
    ],
    ['a preface that allows nothing', writePreface({ ...TERMS, windowBytes: 0 }), /allows no bytes/],
  ] as const)
    it(`shuts the door to ${what}, and says so in the log`, () =>
      scene(async ({ address, refusals }) => {
        const raw = await Raw.open(address);
        raw.write(bytes);
        // Its own preface says what this is.
        assert.ok(
          (await raw.end()).startsWith(Buffer.from([...wire.MAGIC, wire.VERSION]).toString('latin1')),
        );
        assert.match(refusals()[0] ?? '', reason);
        await serves(address);
      }));

  const rules: Readonly<Record<string, readonly [(peer: TcpPeer) => void, RegExp]>> = {
    'a frame of an unknown type': [(peer) => peer.frame(9, 1), /unknown type 9/],
    'a frame too long': [
      (peer) => peer.socket.write(Buffer.of(0x10, 0xff, 0xff, 0xff, 0, 0, 0, 1)),
      /the limit is/,
    ],
    'a part of a body of no bytes': [(peer) => peer.frame(wire.DATA, 1), /from 1 to 65536/],
    'an end with something in it': [(peer) => peer.frame(wire.END, 1, Buffer.of(1)), /has 1 bytes, not 0/],
    'unknown flags': [(peer) => peer.frame(wire.END | 0x40, 1), /unknown flags/],
    'a message of no bytes': [(peer) => peer.frame(wire.MESSAGE | wire.OPEN, 1), /ends too soon/],
    'a stream that was not opened': [(peer) => peer.message(0, 5), /there is no stream 5/],
    'a stream that is opened twice': [
      (peer) => {
        peer.message(wire.OPEN, 1);
        peer.message(wire.OPEN, 1);
      },
      /the stream 1 cannot be opened/,
    ],
    'a stream of the number 0': [(peer) => peer.message(wire.OPEN, 0), /the stream 0 cannot be opened/],
    'a message within another': [
      (peer) => {
        peer.message(wire.OPEN, 1, Buffer.of(1), 2);
        peer.message(0, 1);
      },
      /no room/,
    ],
    'more of a body than was said': [
      (peer) => {
        peer.message(wire.OPEN, 1, Buffer.of(1), 2);
        peer.frame(wire.DATA, 1, Buffer.of(1, 2, 3));
      },
      /than was said/,
    ],
    'more than the window': [
      (peer) => {
        peer.message(wire.OPEN, 1);
        for (let n = 0; n < 6; n++) peer.message(0, 1, Buffer.alloc(60_000));
      },
      /no room/,
    ],
    'leave to send nothing': [
      (peer) => {
        peer.message(wire.OPEN, 1);
        peer.number(wire.CREDIT, 1, 0);
      },
      /leave was given/,
    ],
    'leave to send more than its window': [
      (peer) => {
        peer.message(wire.OPEN, 1);
        peer.number(wire.CREDIT, 1, 2 ** 31);
      },
      /leave was given/,
    ],
    'a farewell of a caller': [(peer) => peer.frame(wire.GOAWAY, 0), /who dialled closes/],
    'a header that was never said': [
      (peer) => peer.frame(wire.MESSAGE | wire.OPEN, 1, Buffer.of(1, 0, 0x70)),
      /no header of the number 112/,
    ],
    'a small header that is a large one': [
      (peer) => {
        const value = Buffer.alloc(1_000, 0x61);
        const learn = Buffer.concat([Buffer.of(1, 0, 0xe0, 0xe8, 0x07), value]);
        peer.frame(wire.MESSAGE | wire.OPEN, 1, learn);
        peer.frame(wire.MESSAGE | wire.OPEN, 2, Buffer.of(100, 0, ...Array<number>(100).fill(16)));
      },
      /a header is over the limit of 65536 bytes/,
    ],
    'a control character in a header': [
      (peer) => peer.frame(wire.MESSAGE | wire.OPEN, 1, Buffer.of(1, 0, 0xc1, 3, 0x61, 0x0a, 0x62)),
      /a control character/,
    ],
  };
  for (const [what, [say, reason]] of Object.entries(rules))
    it(`gives a connection up for ${what}, says so in the log, and harms no other`, () =>
      scene(async ({ address, refusals }) => {
        const other = await TcpPeer.open(address);
        other.message(wire.OPEN, 1);
        const peer = await TcpPeer.open(address);
        await peer.greeted();
        say(peer);
        await peer.closed();
        assert.match(refusals()[0] ?? '', reason);
        other.message(wire.OPEN, 2, Buffer.from('echo'));
        await other.hears('end 2');
        other.close();
      }));

  it('waits for a preface no longer than headerTimeoutMs', () =>
    scene(async ({ address, clock, refusals }) => {
      const raw = await Raw.open(address);
      raw.write(wire.MAGIC);
      await turn();
      await clock.advance(14_000);
      await raw.end();
      assert.match(refusals()[0] ?? '', /preface, did not come whole within 10000 ms \(headerTimeoutMs\)/);
    }));

  it('waits for the rest of a frame no longer than that, while others go on', () =>
    scene(async ({ address, clock, refusals }) => {
      const peer = await TcpPeer.open(address);
      await peer.greeted();
      peer.socket.write(Buffer.of(wire.MESSAGE | wire.OPEN, 0, 0, 9, 0, 0));
      for (let n = 0; n < 9; n++) {
        await clock.advance(2_000);
        if (!peer.ended) peer.socket.write(Buffer.of(0));
      }
      await peer.closed();
      assert.match(refusals()[0] ?? '', /did not come whole within 10000 ms/);
    }));

  it('cuts off a stream whose message does not come to its end within timeoutMs', () =>
    scene(
      async ({ address, clock, sockets }) => {
        const peer = await TcpPeer.open(address);
        peer.message(wire.OPEN, 1, Buffer.of(1), 1_000);
        await peer.greeted();
        await clock.advance(3_000);
        await peer.hears('reset 1');
        assert.equal(sockets.length, 0);
        peer.message(wire.OPEN, 2, Buffer.from('echo'));
        await peer.hears('end 2');
        peer.close();
      },
      { timeoutMs: 2_000 },
    ));

  it('refuses, unexecuted, a stream over maxStreams, and takes it when another has ended', () =>
    scene(
      async ({ address, sockets }) => {
        const peer = await TcpPeer.open(address);
        for (const stream of [1, 2, 3]) peer.message(wire.OPEN, stream);
        await peer.hears('refused 3');
        peer.frame(wire.END, 1);
        peer.message(wire.OPEN, 4);
        peer.message(wire.OPEN, 5);
        await peer.hears('refused 5');
        assert.equal(sockets.length, 3);
        peer.close();
      },
      { maxStreams: 2 },
    ));

  it('does not read who does not read, and gives up on it after timeoutMs', () =>
    scene(
      async ({ address, clock, refusals }) => {
        const peer = await TcpPeer.open(address);
        await peer.greeted();
        peer.socket.pause();
        const body = Buffer.alloc(50_000);
        let stream = 0;
        // Until its own end is full, too.
        while (peer.socket.writableLength < 1024 * 1024) {
          for (let n = 0; n < 10; n++) peer.message(wire.OPEN, ++stream, body);
          await turn();
          assert.ok(stream < 2_000, 'it reads on and on');
        }
        await clock.advance(10_000);
        assert.match(refusals()[0] ?? '', /nothing was read at the other end for 3000 ms/);
        peer.socket.resume();
        await peer.closed();
        await serves(address);
      },
      { timeoutMs: 3_000 },
    ));

  it('says goodbye to a connection that carries nothing for idleMs, and closes it if the other end does not', () =>
    scene(
      async ({ address, clock }) => {
        const peer = await TcpPeer.open(address);
        peer.message(wire.OPEN, 1, Buffer.from('echo'));
        await peer.hears('end 1');
        await clock.advance(20_000);
        assert.ok(!peer.said.includes('goaway 1'));
        peer.number(wire.PING, 0, 1);
        await peer.hears('pong');
        await clock.advance(20_000);
        await peer.hears('goaway 1');
        await peer.closed();
      },
      { idleMs: 30_000 },
    ));

  it('takes no more connections than maxConnections', () =>
    scene(
      async ({ address, refusals }) => {
        const first = await TcpPeer.open(address);
        await first.greeted();
        const second = await TcpPeer.open(address);
        await second.closed();
        assert.match(refusals()[0] ?? '', /1 connections are open \(maxConnections\)/);
        first.close();
      },
      { maxConnections: 1 },
    ));

  it('that closes answers nothing that comes after its farewell', () =>
    scene(async ({ address, listener, clock, sockets }) => {
      const peer = await TcpPeer.open(address);
      peer.message(wire.OPEN, 1);
      await peer.greeted();
      while (sockets.length < 1) await turn();
      const closing = listener.close();
      await peer.hears('goaway 1');
      peer.message(wire.OPEN, 2, Buffer.from('echo'));
      peer.message(0, 2);
      peer.number(wire.PING, 0, 1);
      await peer.hears('pong');
      await closing;
      assert.ok(!peer.said.some((each) => each.endsWith(' 2')));
      sockets[0]?.close();
      await peer.hears('end 1');
      await clock.advance(1_000);
      await peer.closed();
    }));

  it('outlives an accept that throws', async () => {
    const transport = new TcpTransport({}, parts());
    const { address } = await transport.listen(ANY, () => {
      throw new Error('a mistake');
    });
    const peer = await TcpPeer.open(address);
    peer.message(wire.OPEN, 1);
    await peer.hears('reset 1');
    peer.message(wire.OPEN, 2);
    await peer.hears('reset 2');
    peer.close();
    await transport.stop();
  });

  it('keeps of what was read with others no more than what is waited for', () =>
    scene(async ({ address, sockets }) => {
      const peer = await TcpPeer.open(address);
      peer.message(wire.OPEN, 1);
      peer.message(0, 1, Buffer.from('small'));
      for (let stream = 2; stream < 300; stream++)
        peer.message(wire.OPEN | wire.LAST, stream, Buffer.from('echo'));
      await peer.hears('end 299');
      const received = await sockets[0]?.receive();
      assert.equal(Buffer.from(received?.body ?? []).toString(), 'small');
      assert.equal(received?.body.buffer.byteLength, 5);
      peer.close();
    }));
});

describe('a caller over tcp', () => {
  it('gives a connection up whose listener opens streams, or says goodbye twice', async () => {
    for (const say of [
      (peer: TcpPeer) => peer.message(wire.OPEN, 7),
      (peer: TcpPeer) => {
        peer.message(0, 1);
        peer.frame(wire.GOAWAY, 1);
        peer.frame(wire.GOAWAY, 1);
      },
    ]) {
      const transport = new TcpTransport({}, parts());
      const { address, server } = await TcpPeer.listen(
        (peer) =>
          void peer.hears('open 1').then(
            () => say(peer),
            () => {},
          ),
      );
      const socket = await transport.dial(address, { stream: true });
      await socket.send({ header: new Metadata(), body: Buffer.alloc(1) });
      await assert.rejects(
        async () => {
          while ((await socket.receive()) !== undefined);
        },
        (reason) => reason instanceof OctavoError && reason.code === 'unavailable',
      );
      await transport.stop();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('keeps no more for a listener that does not read than it must', async () => {
    const transport = new TcpTransport({}, parts());
    const peers: TcpPeer[] = [];
    const { address, server } = await TcpPeer.listen((peer) => {
      peers.push(peer);
      peer.socket.pause();
      setImmediate(() => peer.socket.pause());
    });
    await new Promise((resolve) => setImmediate(resolve));
    const socket = await transport.dial(address);
    let sent = 0;
    // Each is a call that its caller gives up: what has not left is forgotten.
    for (let n = 0; n < 2_000; n++) {
      const one = await transport.dial(address);
      const sending = one.send({ header: new Metadata(), body: Buffer.alloc(60_000) });
      if (isPromise(sending)) one.close(new OctavoError('cancelled', 'enough'));
      else sent++;
      if (n % 100 === 0) await turn();
    }
    assert.ok(sent < 500, `${sent} of 2000 messages were taken in`);
    socket.close();
    await transport.stop();
    for (const peer of peers) peer.close();
    await new Promise((resolve) => server.close(resolve));
  });
});
