import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError, type Code } from '../../src/core/error.js';
import { isPromise } from '../../src/core/lifecycle.js';
import type { Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { TcpTransport, type TcpTransportOptions } from '../../src/transport/tcp.js';
import * as wire from '../../src/transport/tcp/frames.js';
import type { DialOptions, Socket } from '../../src/transport/transport.js';
import { parts } from '../support/parts.js';
import { TcpPeer, TERMS } from '../support/tcp-peer.js';

const ANY = '127.0.0.1:0';

function message(body: string | Uint8Array, more: Record<string, string> = {}): Message {
  return {
    header: new Metadata({ 'Micro-Service': 'x', ...more }),
    body: typeof body === 'string' ? Buffer.from(body) : body,
  };
}

/** Answers each message by itself and closes. What breaks meanwhile is the test's business. */
function echo(socket: Socket): void {
  void (async () => {
    const received = await socket.receive();
    if (received !== undefined) await socket.send(received);
    socket.close();
  })().catch(() => {});
}

async function call(
  transport: TcpTransport,
  address: string,
  body = 'x',
  options?: DialOptions,
): Promise<string> {
  const socket = await transport.dial(address, options);
  try {
    await socket.send(message(body));
    const reply = await socket.receive();
    return Buffer.from(reply?.body ?? []).toString();
  } finally {
    socket.close();
  }
}

/** Runs with a transport that dials and one that listens. */
async function pair(
  run: (near: TcpTransport, address: string, far: TcpTransport) => Promise<void>,
  {
    near = {},
    far = {},
    accept = echo,
  }: { near?: TcpTransportOptions; far?: TcpTransportOptions; accept?: (socket: Socket) => void },
): Promise<void> {
  const [dialling, listening] = [new TcpTransport(near, parts()), new TcpTransport(far, parts())];
  const { address } = await listening.listen(ANY, accept);
  try {
    await run(dialling, address, listening);
  } finally {
    await dialling.stop();
    await listening.stop();
  }
}

/** Runs with a transport that dials a peer by hand, time standing still. */
async function byHand(
  run: (
    transport: TcpTransport,
    address: string,
    peer: () => Promise<TcpPeer>,
    clock: VirtualClock,
  ) => Promise<void>,
  { options = {}, preface }: { options?: TcpTransportOptions; preface?: Uint8Array } = {},
): Promise<void> {
  const peers: TcpPeer[] = [];
  const waiting: ((peer: TcpPeer) => void)[] = [];
  const { address, server } = await TcpPeer.listen((peer) => {
    peers.push(peer);
    waiting.shift()?.(peer);
  }, preface);
  const clock = new VirtualClock();
  const transport = new TcpTransport(options, { clock, logger: new TestLogger() });
  let next = 0;
  const peer = async (): Promise<TcpPeer> => {
    const one = peers[next] ?? (await new Promise<TcpPeer>((resolve) => waiting.push(resolve)));
    next++;
    return one;
  };
  try {
    await run(transport, address, peer, clock);
  } finally {
    await transport.stop();
    for (const each of peers) each.close();
    await new Promise((resolve) => server.close(resolve));
  }
}

function failure(code: Code, text: RegExp, executed?: false): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError);
    assert.equal(reason.code, code);
    assert.match(reason.message, text);
    assert.equal(reason.executed, executed);
    return true;
  };
}

/** Of what a header takes on the wire nothing is left that was said before but its number. */
const CALL = {
  'Content-Type': 'application/protobuf',
  'Micro-Endpoint': 'Greeter.Hello',
  Octavo: '1',
  Foo: 'a value of mine',
};

describe('a tcp connection', () => {
  it('is shared by all who dial while it is opened, and by all calls after', () =>
    pair(
      async (near, address) => {
        const bodies = Array.from({ length: 100 }, (_, n) => String(n));
        assert.deepEqual(await Promise.all(bodies.map((body) => call(near, address, body))), bodies);
      },
      // Another connection would be closed as it comes.
      { far: { maxConnections: 1 } },
    ));

  it('is dialled at once when it is there, and takes a message at once', () =>
    pair(async (near, address) => {
      await call(near, address);
      const socket = near.dial(address);
      assert.ok(!isPromise(socket));
      assert.equal(socket.send(message('x')), undefined);
      assert.equal(Buffer.from((await socket.receive())?.body ?? []).toString(), 'x');
      socket.close();
    }, {}));

  it('is joined by others where the option says so', () => {
    const remotes = new Set<string>();
    return pair(
      async (near, address) => {
        const open: Socket[] = [];
        while (remotes.size < 3) {
          const socket = await near.dial(address, { stream: true });
          await socket.send(message('x'));
          await socket.receive();
          open.push(socket);
          assert.ok(open.length < 50, 'three connections do not come about');
        }
        for (const each of open) each.close();
      },
      {
        near: { connections: 3 },
        accept: (socket) => {
          remotes.add(socket.remote);
          void socket.receive();
          void socket.send(message('x'));
        },
      },
    );
  });

  it('says a header again by a number of one byte', () =>
    byHand(async (transport, address, peer) => {
      const socket = await transport.dial(address, { stream: true });
      const other = await peer();
      for (let n = 0; n < 3; n++) await socket.send(message('', CALL));
      await other.hears('message 1');
      while (other.messages.length < 3) await new Promise((resolve) => setImmediate(resolve));
      // Two numbers, how many headers there are and the length of the body, and each header.
      assert.deepEqual(other.sizes.slice(2), [7]);
      for (const { header } of other.messages)
        assert.deepEqual([...header], [['Micro-Service', 'x'], ...Object.entries(CALL)]);
    }));

  it('asks for a sign of life, and fails the calls in flight within the keepalive time when there is none', () =>
    byHand(async (transport, address, peer, clock) => {
      const calling = call(transport, address);
      const other = await peer();
      await other.hears('open 1');
      const rejected = assert.rejects(
        calling,
        failure('unavailable', /was silent for 30000 ms \(keepaliveMs\)/),
      );
      await clock.advance(20_000);
      assert.ok(other.said.includes('ping'));
      await clock.advance(10_000);
      await rejected;
    }));

  it('is kept as long as the other end answers', () =>
    byHand(async (transport, address, peer, clock) => {
      const socket = await transport.dial(address);
      const other = await peer();
      await socket.send(message('x'));
      await other.hears('open 1');
      for (let n = 0; n < 10; n++) {
        await clock.advance(17_000);
        await other.hears('ping');
        other.said.length = 0;
        other.number(wire.PONG, 0, 0);
        await clock.advance(1);
      }
      other.message(wire.LAST, 1, Buffer.from('late'));
      assert.equal(Buffer.from((await socket.receive())?.body ?? []).toString(), 'late');
    }));

  it('is closed after a while in which it carried nothing', () =>
    byHand(async (transport, address, peer, clock) => {
      const pool = { ttlMs: 1_000 };
      const socket = await transport.dial(address, { pool });
      const other = await peer();
      await socket.send(message('x'));
      await other.hears('open 1');
      await clock.advance(5_000);
      assert.equal(other.ended, false);
      other.message(wire.LAST, 1);
      await socket.receive();
      await clock.advance(2_000);
      await other.closed();
      const again = transport.dial(address, { pool });
      assert.ok(isPromise(again));
      await peer();
      (await again).close();
    }));

  it('that breaks fails all it carries, and the next call opens another', () =>
    byHand(async (transport, address, peer) => {
      const calls = Array.from({ length: 10 }, () => call(transport, address));
      const other = await peer();
      await other.hears('open 10');
      const unsent = await transport.dial(address);
      other.close();
      for (const each of calls)
        await assert.rejects(each, failure('unavailable', /closed the connection|broke/));
      await assert.rejects(async () => unsent.receive(), failure('unavailable', /./, false));
      const next = call(transport, address);
      (await peer()).message(wire.LAST, 1, Buffer.from('no such stream'));
      await assert.rejects(next, failure('unavailable', /./));
    }));

  it('lets calls finish that the other end took before it said goodbye; the rest was not executed, and goes elsewhere', () =>
    byHand(async (transport, address, peer) => {
      const calls = Array.from({ length: 3 }, (_, n) => call(transport, address, String(n)));
      const other = await peer();
      await other.hears('open 3');
      other.frame(wire.GOAWAY, 2);
      await assert.rejects(calls[2] ?? Promise.resolve(), failure('unavailable', /is closing/, false));
      const elsewhere = call(transport, address);
      const another = await peer();
      await another.hears('open 1');
      another.message(wire.LAST, 1, Buffer.from('elsewhere'));
      assert.equal(await elsewhere, 'elsewhere');
      for (const stream of [1, 2]) other.message(wire.LAST, stream, Buffer.from(`took ${stream}`));
      assert.deepEqual(await Promise.all(calls.slice(0, 2)), ['took 1', 'took 2']);
      await other.closed();
    }));

  it('carries small calls past a large message that nobody reads', () =>
    pair(
      async (near, address) => {
        const stream = await near.dial(address, { stream: true });
        const large = stream.send(message(Buffer.alloc(4 * 1024 * 1024)));
        const stuck = stream.send(message(Buffer.alloc(4 * 1024 * 1024)));
        assert.ok(isPromise(large) && isPromise(stuck));
        await large;
        assert.equal(await call(near, address), 'x');
        stream.close(new OctavoError('cancelled', 'enough'));
        await stuck;
      },
      { accept: (socket) => (socket.receive() instanceof Promise ? assert.fail() : echoSmall(socket)) },
    ));

  it('refuses to its sender what only the other end does not take', () =>
    pair(
      async (near, address) => {
        const socket = await near.dial(address);
        assert.throws(
          () => socket.send(message(Buffer.alloc(11))),
          failure('resource_exhausted', /limit.* is 10 \(maxMessageBytes\)/),
        );
        assert.throws(
          () => socket.send(message('', { a: 'b', c: 'd' })),
          failure('resource_exhausted', /maxHeaders/),
        );
        assert.throws(
          () => socket.send(message('', { a: 'b'.repeat(99) })),
          failure('resource_exhausted', /maxHeaderBytes/),
        );
        assert.throws(() => socket.send(message('', { a: 'b\r\nc' })), failure('invalid_argument', /"a"/));
        await socket.send(message('fine'));
        assert.equal(Buffer.from((await socket.receive())?.body ?? []).toString(), 'fine');
        socket.close();
      },
      { far: { maxMessageBytes: 10, maxHeaders: 2, maxHeaderBytes: 100 } },
    ));
});

/** Answers, where the message is small, by the same: the first message was taken already. */
function echoSmall(socket: Socket): void {
  void socket.send(message('x'));
}

describe('a tcp connection that is full', () => {
  const many = { ...TERMS, maxStreams: 2 };

  it('is joined by another', () =>
    pair(
      async (near, address) => {
        const bodies = Array.from({ length: 7 }, (_, n) => String(n));
        const sockets = await Promise.all(bodies.map(async () => near.dial(address)));
        for (const [n, socket] of sockets.entries()) await socket.send(message(bodies[n] ?? ''));
        for (const [n, socket] of sockets.entries())
          assert.equal(Buffer.from((await socket.receive())?.body ?? []).toString(), bodies[n]);
        for (const socket of sockets) socket.close();
      },
      { far: { maxStreams: 2, maxConnections: 4 } },
    ));

  it('is waited for where there may be no other, and not by too many', () =>
    pair(
      async (near, address) => {
        const pool = { maxConnections: 1, maxQueue: 1 };
        const first = await near.dial(address, { pool });
        const second = await near.dial(address, { pool });
        const waiting = near.dial(address, { pool });
        await assert.rejects(
          async () => near.dial(address, { pool }),
          failure('resource_exhausted', /maxQueue/, false),
        );
        first.close();
        (await waiting).close();
        assert.equal(await call(near, address, 'again', { pool }), 'again');
        second.close();
      },
      { far: { maxStreams: many.maxStreams } },
    ));

  it('is waited for no longer than the time there is', () =>
    pair(
      async (near, address) => {
        const pool = { maxConnections: 1 };
        const sockets = [await near.dial(address, { pool }), await near.dial(address, { pool })];
        await assert.rejects(
          async () => near.dial(address, { pool, timeoutMs: 10 }),
          failure('deadline_exceeded', /maxConnections.*10 ms/, false),
        );
        for (const socket of sockets) socket.close();
      },
      { far: { maxStreams: 2 } },
    ));
});

describe('dialling by tcp', () => {
  it('says so when the other end speaks another version', () =>
    byHand(
      async (transport, address) => {
        await assert.rejects(
          async () => transport.dial(address),
          failure(
            'unavailable',
            /it speaks version 2 of Octavo's tcp transport, and this is version 1/,
            false,
          ),
        );
      },
      { preface: Buffer.concat([wire.MAGIC, Buffer.of(2, 1, 2, 3)]) },
    ));

  for (const [what, preface] of [
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['TLS', '\x15\x03\x01\x00\x02\x02\x46'],
    ['something else', 'SSH-2.0-OpenSSH_9.2'],
  ] as const)
    it(`says so when the other end speaks ${what}`, () =>
      byHand(
        async (transport, address) => {
          await assert.rejects(
            async () => transport.dial(address),
            failure('unavailable', new RegExp(`it speaks ${what}, and not Octavo's tcp transport`), false),
          );
        },
        { preface: Buffer.from(preface, 'latin1') },
      ));

  it('takes no longer than it may where the other end says nothing', () =>
    byHand(
      async (transport, address, peer, clock) => {
        const dialling = assert.rejects(
          async () => transport.dial(address, { timeoutMs: 100 }),
          failure('deadline_exceeded', /opening a connection.*100 ms/, false),
        );
        const other = await peer();
        await clock.advance(100);
        await dialling;
        await other.closed();
      },
      { preface: Buffer.alloc(0) },
    ));
});
