import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { MESSAGE_LIMITS } from '../../src/transport/transport.js';
import { Answered } from '../../src/transport/udp/answered.js';
import {
  KIND,
  NO_TOKEN,
  readHead,
  readMessage,
  writeDatagram,
  writeHello,
  writeMessage,
} from '../../src/transport/udp/datagram.js';
import { Dropped } from '../../src/transport/udp/dropped.js';
import { Tokens } from '../../src/transport/udp/tokens.js';

const ID = 'abcdefgh\0\0\0\x05';

/** The datagrams on the page of the wire, without the spaces. */
function documented(): string[] {
  const [, block = ''] = /```udp\n([^`]*)```/.exec(readFileSync('docs/wire.md', 'utf8')) ?? [];
  return block
    .trim()
    .split('\n')
    .map((line) => line.replaceAll(' ', ''));
}

describe('a datagram of the udp transport', () => {
  it('is written as docs/wire.md has it', () => {
    const token = 'mytoken!';
    const call = { header: new Metadata({ Many: ['a', 'b'] }), body: Uint8Array.of(1, 255) };
    const written = [
      writeHello(ID),
      writeDatagram({ kind: KIND.token, token: NO_TOKEN, id: ID }, token, 'latin1'),
      writeMessage({ kind: KIND.call, token, id: ID }, call, MESSAGE_LIMITS),
      writeDatagram({ kind: KIND.end, token, id: ID }),
    ];
    assert.deepEqual(
      written.map((bytes) => bytes.toString('hex')),
      documented(),
    );
  });

  it('is read as it was written', () => {
    const head = { kind: KIND.reply, token: '\0\xff\x80\x7fabcd', id: ID };
    const message = { header: new Metadata({ é: '日本', empty: '' }), body: Buffer.from('body') };
    const bytes = writeMessage(head, message, MESSAGE_LIMITS);
    assert.deepEqual(readHead(bytes), head);
    const { header, body } = readMessage(bytes, MESSAGE_LIMITS);
    assert.deepEqual([[...header], body.toString()], [[...message.header], 'body']);
  });

  it('is refused where a header would break the next wire', () => {
    for (const pair of [
      ['', 'x'],
      ['a\r\nb', 'x'],
      ['a', 'x\ny'],
      ['a', '\0'],
    ] as const) {
      const message = { header: new Metadata([pair]), body: Buffer.from('x') };
      const bytes = writeMessage({ kind: KIND.call, token: NO_TOKEN, id: ID }, message, MESSAGE_LIMITS);
      assert.throws(
        () => readMessage(bytes, MESSAGE_LIMITS),
        (reason) => reason instanceof OctavoError && reason.code === 'invalid_argument',
      );
    }
  });
});

describe('the calls that the udp transport has answered', () => {
  it('are remembered for ten seconds', async () => {
    const clock = new VirtualClock();
    const answered = new Answered(clock);
    answered.add('old', Buffer.from('x'));
    await clock.advance(9_999);
    assert.equal(answered.get('old')?.datagram?.toString(), 'x');
    await clock.advance(1);
    assert.equal(answered.get('old'), undefined);
    answered.add('new');
    assert.deepEqual([answered.size, answered.bytes], [1, 0]);
    assert.ok(answered.get('new') !== undefined && answered.get('new')?.datagram === undefined);
  });

  it('keep no more memory than they have bytes', () => {
    const answered = new Answered(new VirtualClock());
    answered.add('x', Buffer.alloc(8_192).subarray(100, 110));
    assert.equal(answered.get('x')?.datagram?.buffer.byteLength, 10);
  });

  it('are at most so many, and so many bytes, the latest', () => {
    const answered = new Answered(new VirtualClock());
    for (let n = 0; n < 20_000; n++) answered.add(String(n));
    assert.equal(answered.size, 16_384);
    assert.equal(answered.get('3615'), undefined);
    assert.ok(answered.get('3616') !== undefined);
    const large = Buffer.alloc(60_000);
    for (let n = 0; n < 1_000; n++) answered.add(`large ${n}`, large);
    assert.ok(answered.bytes <= 16 * 1024 * 1024 && answered.bytes > 15 * 1024 * 1024);
    assert.equal(answered.get('large 999')?.datagram, large);
    const before = answered.bytes;
    answered.add('large 999');
    assert.equal(answered.bytes, before - large.length);
  });
});

describe('the tokens of the udp transport', () => {
  it('are each source’s own, and each listener’s', () => {
    const tokens = new Tokens();
    const one = tokens.of('10.0.0.1:1');
    assert.equal(one.length, 8);
    assert.equal(tokens.of('10.0.0.1:1'), one);
    assert.ok(tokens.holds('10.0.0.1:1', one) && tokens.holds('10.0.0.1:1', one));
    for (const [source, token] of [
      ['10.0.0.1:2', one],
      ['10.0.0.1:1', NO_TOKEN],
      ['10.0.0.1:1', new Tokens().of('10.0.0.1:1')],
    ] as const)
      assert.equal(tokens.holds(source, token), false);
  });

  it('are known of more sources than are remembered', () => {
    const tokens = new Tokens();
    const all = Array.from(
      { length: 5_000 },
      (_, n) => [`10.0.0.1:${n}`, tokens.of(`10.0.0.1:${n}`)] as const,
    );
    for (let round = 0; round < 2; round++)
      for (const [source, token] of all) assert.ok(tokens.holds(source, token));
  });
});

describe('what the udp transport dropped', () => {
  it('is counted, and logged once a minute for each reason, whoever sent it', async () => {
    const clock = new VirtualClock();
    const logger = new TestLogger();
    const dropped = new Dropped(clock, logger);
    const flood = (): void => {
      for (let n = 0; n < 1_000; n++) {
        dropped.add('malformed', `10.0.0.1:${n}`);
        dropped.add('late', `10.0.0.1:${n}`);
      }
    };
    flood();
    dropped.add('stranger', '10.0.0.2:1');
    await clock.advance(59_999);
    flood();
    await clock.advance(1);
    flood();
    dropped.add('stranger', '10.0.0.2:1');
    assert.deepEqual(dropped.counts, { malformed: 3_000, stranger: 2, late: 3_000, duplicate: 0 });
    assert.deepEqual(
      logger.records.map(({ level, fields }) => [
        level,
        fields['reason'],
        fields['source'],
        fields['unlogged'],
      ]),
      [
        ['warn', 'malformed', '10.0.0.1:0', undefined],
        ['warn', 'stranger', '10.0.0.2:1', undefined],
        ['warn', 'malformed', '10.0.0.1:0', 1_999],
        ['warn', 'stranger', '10.0.0.2:1', undefined],
      ],
    );
  });
});
