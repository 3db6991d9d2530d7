import assert from 'node:assert/strict';
import { Socket as TcpSocket } from 'node:net';
import fc from 'fast-check';
import { OctavoError } from '../../../src/core/error.js';
import { SystemClock } from '../../../src/core/system-clock.js';
import type { Socket } from '../../../src/transport/transport.js';
import { Connection } from '../../../src/transport/tcp/connection.js';
import { FrameReader } from '../../../src/transport/tcp/frame-reader.js';
import * as wire from '../../../src/transport/tcp/frames.js';
import { HeaderReader } from '../../../src/transport/tcp/header-reader.js';
import { HeaderWriter } from '../../../src/transport/tcp/header-writer.js';
import { readPreface, writePreface, writeRefusal } from '../../../src/transport/tcp/preface.js';
import { damaged } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const TERMS: wire.Terms = {
  windowBytes: 2_000,
  maxStreams: 4,
  maxMessageBytes: 4_096,
  maxHeaderBytes: 2_048,
  maxHeaders: 20,
};
const OPTIONS = { ...TERMS, timeoutMs: 0, headerTimeoutMs: 0, keepaliveMs: 0 };
const REFUSED = ['invalid_argument', 'resource_exhausted'] as const;

const NAMES = ['Micro-Service', 'Micro-Id', 'Timeout', 'Content-Type', 'Octavo', 'Foo', 'foo', 'traceparent'];
const value = fc.oneof(text, fc.constantFrom('1', 'application/json', 'EOS', 'greeter', 'x'.repeat(70)));
const pairs = fc
  .array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 6 })
  .map((each) => each.flat());

/** What one message of a session is made of. */
const said = fc.record({
  pairs,
  body: fc.uint8Array({ maxLength: 300 }),
  stream: fc.integer({ min: 1, max: 5 }),
  flags: fc.constantFrom(wire.OPEN, wire.OPEN, wire.OPEN | wire.LAST, 0, wire.LAST),
  /** How much of the body goes into the first frame, in tenths. */
  share: fc.integer({ min: 0, max: 10 }),
});
const control = fc.oneof(
  fc.integer({ min: 0, max: 6 }).map((stream) => frame(wire.END, stream)),
  fc.integer({ min: 0, max: 6 }).map((stream) => frame(wire.RESET, stream)),
  fc.integer({ min: 0, max: 6 }).map((stream) => frame(wire.RESET | wire.UNEXECUTED, stream)),
  fc
    .tuple(fc.integer({ min: 0, max: 6 }), fc.nat(3_000))
    .map(([stream, n]) => frame(wire.CREDIT, stream, u32(n))),
  fc.nat().map((n) => frame(wire.PING, 0, u32(n))),
  fc.nat().map((n) => frame(wire.PONG, 0, u32(n))),
  fc.integer({ min: 0, max: 6 }).map((last) => frame(wire.GOAWAY, last)),
);

/** Frames as one end of a connection may send them. */
const session = fc
  .array(fc.oneof({ weight: 3, arbitrary: said }, { weight: 1, arbitrary: control }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((all) => {
    const headers = new HeaderWriter();
    return Buffer.concat(
      all.map((each) => {
        if (each instanceof Uint8Array) return each;
        const { body, stream, flags } = each;
        const room = Buffer.alloc(headers.measure(each.pairs) + 16);
        let at = wire.writeVarint(room, 0, each.pairs.length / 2);
        at = wire.writeVarint(room, at, body.length);
        const cut = Math.floor((body.length * each.share) / 10);
        const head = room.subarray(0, headers.write(each.pairs, room, at));
        const first = frame(wire.MESSAGE | flags, stream, Buffer.concat([head, body.subarray(0, cut)]));
        return cut === body.length
          ? first
          : Buffer.concat([first, frame(wire.DATA, stream, body.subarray(cut))]);
      }),
    );
  });

const WORDS = [
  frame(wire.DATA, 1),
  frame(wire.DATA, 1, Buffer.alloc(50)),
  frame(wire.CREDIT, 1, u32(0)),
  frame(wire.CREDIT, 1, u32(2 ** 32 - 1)),
  frame(9, 1),
  frame(wire.MESSAGE | wire.OPEN, 2 ** 31 - 1, Buffer.of(0, 0)),
  Buffer.of(0, 0xff, 0xff, 0xff, 0, 0, 0, 1),
  Buffer.of(0x80),
  Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f),
  Buffer.of(0xff, 3, 0x61, 13, 10, 1),
  'Micro-Service',
];

interface Split {
  readonly bytes: Buffer;
  /** Where the bytes are cut, in thousandths of their length; `undefined` is everywhere. */
  readonly cuts: readonly number[] | undefined;
}

const split = (bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Split> =>
  fc.record({ bytes, cuts: fc.option(fc.array(fc.nat(1_000), { maxLength: 8 }), { nil: undefined }) });

/** Frames out of any bytes, cut at any place: the same whatever the cuts, and none over a limit. */
export const tcpFrames = target<Split, readonly Outcome[]>({
  name: 'tcp-frames',
  inputs: split(damaged(session, WORDS)),
  read: ({ bytes, cuts }) => [outcomeOf([bytes]), outcomeOf(pieces(bytes, cuts))],
  found: ([whole]) => whole?.error === undefined,
  holds([whole, cut]) {
    assert.deepEqual(cut, whole);
  },
});

/** Whatever comes, a connection throws nothing, and takes no more streams and no longer messages than it said. */
export const tcpConnections = target<Split, { readonly accepted: number; readonly open: number }>({
  name: 'tcp-connections',
  inputs: split(
    fc.oneof(
      {
        weight: 9,
        arbitrary: damaged(session, WORDS).map((bytes) => Buffer.concat([writePreface(TERMS), bytes])),
      },
      { weight: 1, arbitrary: damaged(fc.constant(writePreface(TERMS)), WORDS) },
    ),
  ),
  read({ bytes, cuts }) {
    // It is not connected to anything, and says what it is given.
    const tcp = new TcpSocket();
    const sockets: Socket[] = [];
    const connection = new Connection(tcp, new SystemClock(), OPTIONS, {
      accept: (socket) => sockets.push(socket),
      opened() {},
      changed() {},
      refused: (error) => assert.ok(error.code !== 'internal', error.message),
      closed() {},
    });
    for (const piece of pieces(bytes, cuts)) if (!tcp.destroyed) tcp.emit('data', piece);
    const open = connection.streams.size;
    for (const socket of sockets) void socket.receive();
    for (const socket of sockets) socket.close();
    tcp.destroy();
    return { accepted: sockets.length, open };
  },
  found: ({ accepted }) => accepted > 0,
  holds({ open }) {
    assert.ok(open <= TERMS.maxStreams, `${open} streams are open`);
  },
});

/** Headers that we send: what is not refused arrives as it is, however often, and takes no more room than was said. */
export const tcpHeaders = target({
  name: 'tcp-headers',
  inputs: fc.array(
    fc.array(
      fc.tuple(
        fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: hostile() }),
        fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: hostile() }),
      ),
      { maxLength: 5 },
    ),
    { minLength: 1, maxLength: 6 },
  ),
  refuses: ['invalid_argument'],
  read(messages) {
    const writer = new HeaderWriter();
    const reader = new HeaderReader(1_000_000);
    return messages.map((message) => {
      const flat = message.flat();
      const most = writer.measure(flat);
      const bytes = Buffer.alloc(most);
      const end = writer.write(flat, bytes, 0);
      assert.ok(end <= most, `${end} bytes, and ${most} were said`);
      reader.begin(bytes, 0, end);
      const read = reader.pairs(message.length);
      assert.equal(reader.at, end);
      return read;
    });
  },
  holds(read, messages) {
    // What is no Unicode text cannot be written as UTF-8.
    assert.deepEqual(
      read,
      messages.map((message) => message.flat().map((each) => Buffer.from(each).toString())),
    );
  },
});

const refusal = writeRefusal(new OctavoError('unauthenticated', 'no certificate was shown'));

/** Prefaces and refusals of anybody. */
export const tcpPrefaces = target({
  name: 'tcp-prefaces',
  inputs: damaged(fc.constantFrom(writePreface(TERMS), refusal), [
    'GET / HTTP/1.1\r\n',
    Buffer.of(0x16, 3, 1),
    'HTTP/1.1 400 ',
  ]),
  refuses: ['invalid_argument'],
  read(bytes) {
    const read = readPreface(bytes, false);
    if (read !== undefined) return read;
    try {
      return readPreface(bytes, true);
    } catch (reason) {
      // Of whatever code a listener says.
      if (reason instanceof OctavoError && reason.executed === false) return undefined;
      throw reason;
    }
  },
  holds: (read) => assert.ok(read === undefined || read.terms.windowBytes > 0),
});

interface Outcome {
  readonly frames: readonly unknown[];
  readonly error: string | undefined;
}

function outcomeOf(parts: readonly Buffer[]): Outcome {
  const frames: unknown[] = [];
  let body: Buffer[] = [];
  const push = (...what: unknown[]): void => {
    // The pieces of one frame, wherever it was cut.
    if (body.length > 0) frames.push(['data', Buffer.concat(body).toString('hex')]);
    body = [];
    frames.push(what);
  };
  const reader = new FrameReader(TERMS, {
    message({ header, part, ...rest }) {
      assert.ok(header.size <= TERMS.maxHeaders && !header.exceeds(TERMS.maxHeaderBytes));
      assert.ok(rest.bodyBytes <= TERMS.maxMessageBytes && part.length <= rest.bodyBytes);
      for (const [name, each] of header) assert.doesNotMatch(name + each, /[\r\n\0]/);
      push('message', [...header], Buffer.from(part).toString('hex'), rest);
    },
    data(stream, piece, begins) {
      if (begins) push('data', stream);
      body.push(Buffer.from(piece));
    },
    closing: (stream) => push('closing', stream),
    reset: (stream, unexecuted) => push('reset', stream, unexecuted),
    credit: (stream, bytes) => push('credit', stream, bytes),
    ping: (number) => push('ping', number),
    pong: (number) => push('pong', number),
    goaway: (last) => push('goaway', last),
  });
  try {
    for (const part of parts) reader.feed(part);
    push('so far', reader.partial, reader.frames);
    return { frames, error: undefined };
  } catch (reason) {
    if (!(reason instanceof OctavoError) || !REFUSED.some((code) => code === reason.code)) throw reason;
    return { frames, error: reason.code };
  }
}

function frame(type: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(wire.FRAME_BYTES);
  head.writeUInt32BE(payload.length);
  head[0] = type;
  head.writeUInt32BE(stream, 4);
  return Buffer.concat([head, payload]);
}

function u32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

/** Text with what no header may hold in it, at times. */
function hostile(): fc.Arbitrary<string> {
  const units = ['\r', '\n', '\0', '\x7f', '\x01', ':', ' ', '\t', 'é', '\u212a', '\ud800', 'a', 'b'];
  return fc.array(fc.constantFrom(...units), { minLength: 1, maxLength: 4 }).map((each) => each.join(''));
}

/** The bytes in pieces, each in memory of its own as a socket gives them; one by one only where that is quick. */
function pieces(bytes: Buffer, cuts: readonly number[] | undefined): Buffer[] {
  const step = Math.max(1, Math.floor(bytes.length / 2_000));
  const at =
    cuts === undefined
      ? Array.from({ length: Math.floor(bytes.length / step) }, (_, n) => (n + 1) * step)
      : cuts.map((cut) => Math.floor((cut / 1_000) * bytes.length)).sort((a, b) => a - b);
  const from = [0, ...at];
  return [...at, bytes.length].map((to, n) => Buffer.from(bytes.subarray(from[n], to)));
}
