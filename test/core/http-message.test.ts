import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { HttpReader, type HttpMessage } from '../../src/core/http-message.js';
import { HttpWriter, writeHttp } from '../../src/core/http-writer.js';
import { Metadata } from '../../src/core/metadata.js';

const LIMITS = { maxMessageBytes: 1_000, maxHeaderBytes: 500, maxHeaders: 10 };

function read(text: string | Buffer, { by = Infinity, end = false } = {}): HttpMessage[] {
  const messages: HttpMessage[] = [];
  const reader = new HttpReader(LIMITS, (message) => messages.push(message));
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  for (let at = 0; at < bytes.length; at += by) reader.feed(Buffer.from(bytes.subarray(at, at + by)));
  if (end) reader.end();
  return messages;
}

function text(message: HttpMessage | undefined): string {
  return Buffer.from(message?.body ?? []).toString();
}

describe('HttpReader', () => {
  const two =
    'POST / HTTP/1.1\r\nA: 1\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

  for (const by of [1, 2, 3, 7, Infinity])
    it(`cuts messages out of pieces of ${by} bytes`, () => {
      const [first, second, ...more] = read(two, { by });
      assert.equal(first?.start, 'POST / HTTP/1.1');
      assert.deepEqual([...(first?.header ?? [])], [['A', '1']]);
      assert.equal(text(first), 'abc');
      assert.equal(second?.start, 'HTTP/1.1 200 OK');
      assert.equal(text(second), '');
      assert.equal(more.length, 0);
    });

  for (const by of [1, 5, Infinity])
    it(`joins chunks that come in pieces of ${by} bytes`, () => {
      const chunked =
        'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n';
      assert.deepEqual(read(chunked + chunked, { by }).map(text), ['abc0123456789', 'abc0123456789']);
    });

  it('takes the empty chunked body that go-micro sends for an empty message', () => {
    assert.deepEqual(read('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n').map(text), ['']);
  });

  it('reads a header value as UTF-8 and keeps several of one name', () => {
    const [message] = read(Buffer.from('POST / HTTP/1.1\r\nx: é 日本\r\nX:  b \r\n\r\n'));
    assert.deepEqual(message?.header.getAll('x'), ['é 日本', 'b']);
  });

  it('gives a response without a length when its connection ends', () => {
    assert.deepEqual(read('HTTP/1.1 200 OK\r\n\r\nabc', { end: true }).map(text), ['abc']);
    assert.deepEqual(read('HTTP/1.1 200 OK\r\n\r\nabc').map(text), []);
  });

  it('takes no body for a response that has none, whatever its header says', () => {
    for (const status of ['100 Continue', '204 No Content', '304 Not Modified'])
      for (const framing of ['Content-Length: 3', 'Transfer-Encoding: chunked'])
        assert.deepEqual(
          read(`HTTP/1.1 ${status}\r\n${framing}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na`).map(
            text,
          ),
          ['', 'a'],
        );
  });

  it('skips a few empty lines between messages', () => {
    const one = 'GET / HTTP/1.1\r\n\r\n\r\n\r\n';
    assert.equal(read(one.repeat(20)).length, 20);
  });

  for (const by of [1, 7, Infinity])
    it(`takes a header of just the limit, in pieces of ${by}`, () => {
      const start = 'GET / HTTP/1.1\r\nA: ';
      const head = start + 'a'.repeat(LIMITS.maxHeaderBytes - start.length);
      assert.equal(read(`${head}\r\n\r\n`, { by }).length, 1);
    });

  it('names what speaks something else', () => {
    assert.throws(() => read('\x16\x03\x01'), /TLS/);
    assert.throws(() => read('PRI * HTTP/2.0\r\n\r\n'), /HTTP\/2/);
  });

  it('knows who closes the connection after a message', () => {
    const last = (head: string): boolean | undefined => read(`${head}\r\n\r\n`)[0]?.last;
    assert.equal(last('GET / HTTP/1.1'), false);
    assert.equal(last('GET / HTTP/1.1\r\nConnection: Keep-Alive, Close'), true);
    assert.equal(last('GET / HTTP/1.0'), true);
  });

  it('gives nothing while it is paused, and all of it afterwards', () => {
    const messages: HttpMessage[] = [];
    const reader = new HttpReader(LIMITS, (message) => {
      messages.push(message);
      reader.pause();
    });
    reader.feed(Buffer.from(two));
    assert.equal(messages.length, 1);
    reader.resume();
    assert.equal(messages.length, 2);
    assert.equal(reader.partial, false);
  });

  it('asks for the body of a sender that waits for leave', () => {
    let asked = 0;
    const reader = new HttpReader(
      LIMITS,
      () => {},
      () => asked++,
    );
    reader.feed(Buffer.from('POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n'));
    assert.equal(asked, 1);
  });

  const malformed: readonly (readonly [string, string])[] = [
    ['no start line', 'hello\r\n\r\n'],
    ['a lower-case method', 'post / HTTP/1.1\r\n\r\n'],
    ['another version', 'GET / HTTP/2.0\r\n\r\n'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\n\r\n'],
    ['a folded header', 'GET / HTTP/1.1\r\nA: 1\r\n 2\r\n\r\n'],
    ['a bare LF', 'GET / HTTP/1.1\r\nA: 1\nB: 2\r\n\r\n'],
    ['a bare CR', 'GET / HTTP/1.1\r\nA: 1\rB: 2\r\n\r\n'],
    ['a NUL', 'GET / HTTP/1.1\r\nA: \0\r\n\r\n'],
    ['white space before the colon', 'GET / HTTP/1.1\r\nA : 1\r\n\r\n'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nA\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\n: 1\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
    ['a list of lengths', 'POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na'],
    ['a negative length', 'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n'],
    ['a length in hex', 'POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\na'],
    [
      'a length and an encoding',
      'POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['an encoding that is not chunked', 'POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['two encodings', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a chunk extension', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\na\r\n0\r\n\r\n'],
    ['a chunk without a size', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n'],
    [
      'a chunk that is longer than its size',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n',
    ],
    ['trailers', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\n\r\n'],
    ['an encoding of HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    [
      'an encoding with the Kelvin sign for a k',
      Buffer.from('POST / HTTP/1.1\r\nTransfer-Encoding: chun\u212aed\r\n\r\n').toString('latin1'),
    ],
    ['a bare LF behind the start line, at once', 'GET / HTTP/1.1\n'],
    ['a bare LF in the words of a status', 'HTTP/1.1 200 O\nA: 1\r\n\r\n'],
    ['HTTP/0.9, at once', 'GET /\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS, by its first byte', '\x16'],
    ['what cannot become a start line, by its first byte', '{'],
    ['nothing but empty lines', '\r\n'.repeat(9)],
  ];
  for (const [what, bytes] of malformed)
    for (const by of [1, Infinity])
      it(`refuses ${what}, in pieces of ${by}`, () => {
        assert.throws(
          () => read(bytes, { by }),
          (error) => error instanceof OctavoError && error.code === 'invalid_argument',
        );
      });

  const over: readonly (readonly [string, string])[] = [
    [
      'a body over the limit by its length, before it comes',
      'POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n',
    ],
    ['a length of many digits', 'POST / HTTP/1.1\r\nContent-Length: 999999999999999\r\n\r\n'],
    [
      'a chunk over the limit, before it comes',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n',
    ],
    [
      'chunks that are over the limit together',
      `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n${'a'.repeat(500)}\r\n1f5\r\n`,
    ],
    ['a response without a length over the limit', `HTTP/1.1 200 OK\r\n\r\n${'a'.repeat(1001)}`],
    ['a header over the limit', `GET / HTTP/1.1\r\nA: ${'a'.repeat(500)}\r\n\r\n`],
    ['a header over the limit that never ends', `GET / HTTP/1.1\r\nA: ${'a'.repeat(500)}`],
    ['too many headers', `GET / HTTP/1.1\r\n${'A: 1\r\n'.repeat(11)}\r\n`],
  ];
  for (const [what, bytes] of over)
    for (const by of [1, Infinity])
      it(`refuses ${what}, in pieces of ${by}`, () => {
        assert.throws(
          () => read(bytes, { by }),
          (error) => error instanceof OctavoError && error.code === 'resource_exhausted',
        );
      });
});

describe('writeHttp', () => {
  it('writes what the reader reads', () => {
    const header = new Metadata([
      ['Foo', 'é'],
      ['foo', 'b'],
    ]);
    const [message] = read(writeHttp('POST / HTTP/1.1\r\nHost: a', header, Buffer.from('body')));
    assert.deepEqual([...(message?.header ?? [])], [['Host', 'a'], ...header]);
    assert.equal(text(message), 'body');
  });

  for (const name of ['', 'a b', 'a:', 'é'])
    it(`refuses the header name ${JSON.stringify(name)}`, () => {
      assert.throws(
        () => writeHttp('POST / HTTP/1.1', new Metadata([[name, 'a']]), Buffer.alloc(0)),
        (error) => error instanceof OctavoError && error.code === 'invalid_argument',
      );
    });

  for (const value of ['a\r\nB: 1', 'a\nb', 'a\rb', 'a\0b', 'a\x1bb', 'a\x7fb'])
    it(`refuses the header value ${JSON.stringify(value)}`, () => {
      assert.throws(
        () => writeHttp('POST / HTTP/1.1', new Metadata([['A', value]]), Buffer.alloc(0)),
        OctavoError,
      );
      assert.throws(
        () => writeHttp('POST / HTTP/1.1', new Metadata([[value, 'A']]), Buffer.alloc(0)),
        OctavoError,
      );
    });
});

describe('HttpWriter', () => {
  it('writes what writeHttp writes, however the headers change from one message to the next', () => {
    const writer = new HttpWriter();
    const names = ['Content-Type', 'Micro-Service', 'A', 'B', 'Micro-Id', 'Timeout', 'Octavo'];
    let seed = 3;
    const random = (most: number): number => (seed = (seed * 48_271) % 2_147_483_647) % most;
    for (let n = 0; n < 2_000; n++) {
      const count = random(names.length + 1);
      const pairs = names
        .slice(0, count)
        .map((name) => [name, ['x', 'y', 'é', ''][random(8)] ?? 'x'] as const);
      const start =
        ['POST / HTTP/1.1\r\nHost: a', 'HTTP/1.1 200 OK', 'POST / HTTP/1.1\r\nHost: ü'][random(3)] ?? '';
      const header = new Metadata(pairs);
      const body = Buffer.alloc(random(3));
      assert.deepEqual(writer.write(start, header, body), writeHttp(start, header, body));
    }
  });

  it('refuses what cannot be a header, also after one that was fine', () => {
    const writer = new HttpWriter();
    const fine = new Metadata([['A', 'b']]);
    const [start, body] = ['POST / HTTP/1.1', Buffer.alloc(0)];
    for (const value of ['a\r\nB: c', 'a\nb', 'a\0b']) {
      writer.write(start, fine, body);
      assert.throws(() => writer.write(start, new Metadata([['A', value]]), body), /control character/);
      const behind = new Metadata([
        ['A', 'b'],
        ['C', value],
      ]);
      assert.throws(() => writer.write(start, behind, body), /control character/);
    }
    assert.deepEqual(writer.write(start, fine, body), writeHttp(start, fine, body));
  });
});

describe('the head of a response', () => {
  it('is read as it is where it comes again, and nobody changes that of another', () => {
    const bytes = (value: string, body: string): Buffer =>
      writeHttp('HTTP/1.1 200 OK', new Metadata([['Foo', value]]), Buffer.from(body));
    const all = [bytes('a', 'xy'), bytes('a', 'zw'), bytes('b', 'zw'), bytes('b', 'longer'), bytes('b', '')];
    const seen: string[] = [];
    const reader = new HttpReader(LIMITS, ({ header, body }) => {
      seen.push(`${header.get('foo')} ${Buffer.from(body).toString()}`);
      header.set('Foo', 'changed');
    });
    for (const each of [...all, ...all, Buffer.concat([...all, ...all])]) reader.feed(each);
    const once = ['a xy', 'a zw', 'b zw', 'b longer', 'b '];
    assert.deepEqual(seen, [...once, ...once, ...once, ...once]);
  });
});
