import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OctavoError } from '../../../src/core/error.js';
import { HttpReader, type HttpMessage } from '../../../src/core/http-message.js';
import { writeHttp } from '../../../src/core/http-writer.js';
import { Metadata } from '../../../src/core/metadata.js';
import { route } from '../../../src/transport/http/routing.js';
import { damaged } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const LIMITS = { maxMessageBytes: 4_096, maxHeaderBytes: 2_048, maxHeaders: 20 };

const START = fc.constantFrom(
  'POST / HTTP/1.1',
  'POST /greeter.Greeter/Hello HTTP/1.1',
  'GET http://a/health?x=1 HTTP/1.0',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.0 503 ',
);
const NAMES = ['Micro-Service', 'Micro-Endpoint', 'Micro-Stream', 'Timeout', 'Host', 'Foo', 'foo'];
const LINES = [
  'Connection: close',
  'Connection: keep-alive',
  'Expect: 100-continue',
  'Keep-Alive: timeout=5',
];
const header = fc.oneof(
  fc.tuple(fc.constantFrom(...NAMES), text).map(([name, value]) => `${name}: ${value}`),
  fc.constantFrom(...LINES),
);
const body = fc.uint8Array({ maxLength: 60 }).map((each) => Buffer.from(each));
const chunked = fc
  .array(
    body.filter((each) => each.length > 0),
    { maxLength: 4 },
  )
  .map((chunks) => {
    const parts = chunks.flatMap((each) => [`${each.length.toString(16)}\r\n`, each, '\r\n']);
    return { line: 'Transfer-Encoding: chunked', bytes: joined([...parts, '0\r\n\r\n']) };
  });
const counted = body.map((bytes) => ({ line: `Content-Length: ${bytes.length}`, bytes }));
const endless = body.map((bytes) => ({ line: 'Foo: endless', bytes }));

const message = fc
  .tuple(START, fc.array(header, { maxLength: 5 }), fc.oneof(chunked, counted, endless))
  .map(([start, lines, { line, bytes }]) =>
    joined([`${[start, ...lines, line].join('\r\n')}\r\n\r\n`, bytes]),
  );
const messages = fc.array(message, { minLength: 1, maxLength: 3 }).map(joined);

const WORDS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ' :',
  '\0',
  '\r\n ',
  'Content-Length: 5\r\n',
  'content-length:1\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding:\vchunked\r\n',
  '5;ext=1\r\nabcde\r\n',
  'ffffffff\r\n',
  '0\r\n\r\n',
  'HTTP/1.1 ',
  'HTTP/2.0',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET /\r\n',
  'a: b\r\n'.repeat(30),
  'x'.repeat(1_000),
  Buffer.from([0x16, 3, 1, 2, 0]),
];

interface Split {
  readonly bytes: Buffer;
  /** Where the bytes are cut, in thousandths of their length; `undefined` is everywhere. */
  readonly cuts: readonly number[] | undefined;
}

interface Outcome {
  readonly messages: readonly HttpMessage[];
  readonly error: string | undefined;
}

/** Messages out of any bytes, cut at any place. */
export const httpMessages = target<Split, readonly Outcome[]>({
  name: 'http-messages',
  inputs: fc.record({
    bytes: damaged(messages, WORDS),
    cuts: fc.option(fc.array(fc.nat(1_000), { maxLength: 8 }), { nil: undefined }),
  }),
  read: ({ bytes, cuts }) => [outcomeOf([bytes]), outcomeOf(pieces(bytes, cuts))],
  found: ([whole]) => whole?.error === undefined,
  holds([whole, split]) {
    assert.deepEqual(shown(split), shown(whole));
    for (const each of whole?.messages ?? []) {
      assert.ok(each.body.length <= LIMITS.maxMessageBytes && each.header.size <= LIMITS.maxHeaders);
      for (const [name, value] of each.header) assert.doesNotMatch(name + value, /[\r\n\0]/);
      route(each);
    }
  },
});

/** Messages that we send: what is not refused arrives as it is, alone, and nothing of it becomes another header. */
export const httpWriting = target({
  name: 'http-writing',
  inputs: fc.record({
    pairs: fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom(...NAMES), hostile('Foo')),
        fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: hostile('bar') }),
      ),
      { maxLength: 4 },
    ),
    body,
  }),
  refuses: ['invalid_argument'],
  read: ({ pairs, body: sent }) => writeHttp('POST / HTTP/1.1', new Metadata(pairs), sent),
  holds(bytes, { pairs, body: sent }) {
    const { messages: read, error } = outcomeOf([bytes]);
    assert.equal(error, undefined);
    assert.equal(read.length, 1);
    const trimmed = pairs.map(([name, value]) => [name, trim(value)]);
    assert.deepEqual([...(read[0]?.header ?? [])], trimmed);
    assert.deepEqual(Buffer.from(read[0]?.body ?? []), sent);
  },
});

/** What can be compared: metadata keeps what it holds to itself. */
function shown(outcome: Outcome | undefined): unknown {
  const all = outcome?.messages.map(({ header: pairs, ...rest }) => ({ ...rest, pairs: [...pairs] }));
  return { all, error: outcome?.error };
}

/** Text with what could end a header in it. */
function hostile(word: string): fc.Arbitrary<string> {
  const units = ['\r', '\n', '\0', '\x7f', '\x01', ':', ' ', '\t', '\r\nX: y', 'é', '\u212a', word];
  return fc.array(fc.constantFrom(...units), { minLength: 1, maxLength: 4 }).map((each) => each.join(''));
}

/** HTTP cuts blanks off the ends of a value. */
function trim(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, '');
}

function outcomeOf(parts: readonly Buffer[]): Outcome {
  const read: HttpMessage[] = [];
  const reader = new HttpReader(LIMITS, (each) => read.push(each));
  try {
    for (const part of parts) reader.feed(part);
    reader.end();
    return { messages: read, error: undefined };
  } catch (reason) {
    if (!(reason instanceof OctavoError)) throw reason;
    if (reason.code !== 'invalid_argument' && reason.code !== 'resource_exhausted') throw reason;
    return { messages: read, error: reason.code };
  }
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

function joined(parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((each) => (typeof each === 'string' ? Buffer.from(each) : each)));
}
