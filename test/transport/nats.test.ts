import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { OctavoError } from '../../src/core/error.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { NatsTransport } from '../../src/transport/nats.js';
import { readEnvelope, writeEnvelope } from '../../src/transport/nats/envelope.js';
import {
  FRAME,
  numberFrame,
  readFrame,
  readMessage,
  writeFrame,
  writeMessage,
} from '../../src/transport/bus/frame.js';
import { isSubject } from '../../src/core/nats-subject.js';
import { Arrived, Sent } from '../../src/transport/bus/window.js';
import { capture } from '../support/capture.js';
import { parts } from '../support/parts.js';

const MOST = 64 * 1024;

/** What Go peers wrote as envelopes, from the recording. */
function recorded(): string[] {
  return [...capture('nats-registry-transport-broker-v4.11').matchAll(/^ {4}(\{"Header".*\})$/gm)].map(
    ([, text = '']) => text,
  );
}

function text({ body }: Message): string {
  return Buffer.from(body).toString();
}

/** Holds for bytes that are anything: they are read, or refused by an error of ours. */
function harmless(read: (bytes: Uint8Array) => unknown, bytes: fc.Arbitrary<Uint8Array>): void {
  fc.assert(
    fc.property(bytes, (given) => {
      try {
        read(given);
      } catch (reason) {
        assert.ok(reason instanceof OctavoError, inspect(reason));
      }
    }),
    { numRuns: 2_000 },
  );
}

describe('the envelope of the nats transport', () => {
  it('is read as Go peers wrote it', () => {
    const messages = recorded().map((each) => readEnvelope(Buffer.from(each)));
    assert.equal(messages.length, 15);
    const [request, reply, , error] = messages;
    assert.ok(request && reply && error);
    assert.equal(request.header.get('Micro-Endpoint'), 'Greeter.Hello');
    assert.equal(request.header.get('micro-id'), '0');
    assert.equal(text(request), '{"name":"John","n":3}\n');
    assert.equal(text(reply), '{"msg":"Hello John","tags":null}\n');
    assert.match(error.header.get('Micro-Error') ?? '', /"code":400/);
    assert.equal(error.body.length, 0);
    assert.equal(messages.at(-1)?.body.length, 0, 'a body of null is an empty one');
  });

  it('is written as Go peers read it: one value for each name, and the spelling that they use', () => {
    const header = new Metadata({ 'Micro-Id': '7', Many: ['a', 'b'], 'Foo-Bar': 'é' });
    const written = writeEnvelope({ header, body: Buffer.from('hi') }).toString();
    assert.equal(written, '{"Header":{"Micro-ID":"7","Many":"a, b","Foo-Bar":"é"},"Body":"aGk="}');
    assert.equal(
      writeEnvelope({ header: new Metadata(), body: EMPTY }).toString(),
      '{"Header":{},"Body":""}',
    );
  });

  it('says what is wrong with what is none', () => {
    for (const wrong of ['', 'x', '7', 'null', '[]', '{"Header":[]}', '{"Header":{"A":1}}', '{"Body":7}'])
      assert.throws(() => readEnvelope(Buffer.from(wrong)), { code: 'invalid_argument' }, wrong);
  });

  it('does not let line breaks and NUL in, which end the headers of other wires', () => {
    for (const value of ['a\\r\\nB: c', 'a\\u0000'])
      assert.throws(() => readEnvelope(Buffer.from(`{"Header":{"A":"${value}"}}`)), /line break/);
    assert.throws(() => readEnvelope(Buffer.from('{"Header":{"A\\nB":"x"}}')), /line break/);
  });

  it('is harmless whatever comes in its place', () => {
    harmless(readEnvelope, fc.uint8Array({ maxLength: 200 }));
    harmless(
      readEnvelope,
      fc.json().map((json) => Buffer.from(`{"Header":${json},"Body":${json}}`)),
    );
  });
});

describe('a frame of the nats transport', () => {
  const message: Message = { header: new Metadata({ Many: ['a', 'b'] }), body: Uint8Array.of(1, 255) };

  it('has the bytes that docs/wire.md shows', () => {
    const frame = writeMessage(FRAME.call, 5, message);
    numberFrame(frame, 2);
    const header = Buffer.from('["Many","a","Many","b"]').toString('hex');
    assert.equal(frame.toString('hex'), `03000000020000000500000017${header}01ff`);
    assert.equal(writeFrame(FRAME.hello, 0, Uint8Array.of(1)).toString('hex'), '01000000000000000001');
  });

  it('carries a message as it is', () => {
    const { type, number, socket, rest } = readFrame(writeMessage(FRAME.stream, 9, message));
    assert.deepEqual([type, number, socket], [FRAME.stream, 0, 9]);
    const { header, body } = readMessage(rest, MOST);
    assert.deepEqual([...header], [...message.header]);
    assert.deepEqual([...body], [1, 255]);
  });

  it('is not parsed when its header is far over the limit', () => {
    const large = { header: new Metadata({ A: 'x'.repeat(10_000) }), body: EMPTY };
    const { rest } = readFrame(writeMessage(FRAME.call, 1, large));
    assert.throws(() => readMessage(rest, 1_000), { code: 'resource_exhausted' });
  });

  it('is harmless whatever comes in its place', () => {
    harmless((bytes) => readMessage(readFrame(bytes).rest, MOST), fc.uint8Array({ maxLength: 200 }));
    const text = fc.json().map((json) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(json));
      return Buffer.concat([length, Buffer.from(json)]);
    });
    harmless((bytes) => readMessage(Buffer.from(bytes), MOST), text);
  });
});

describe('the window of a stream', () => {
  it('is full after so many messages, and has room when half are read', async () => {
    const sent = new Sent();
    const arrived = new Arrived();
    for (let n = 1; n < 64; n++) assert.equal(sent.add(1), undefined);
    let free = false;
    const waiting = Promise.resolve(sent.add(1)).then(() => (free = true));
    for (let n = 0; n < 64; n++) arrived.add(1, 1);
    for (let n = 1; n < 32; n++) assert.equal(arrived.read(1), undefined);
    await Promise.resolve();
    assert.equal(free, false);
    const read = arrived.read(1);
    assert.equal(read, 32);
    sent.read(32);
    await waiting;
  });

  it('is full after so many bytes', () => {
    const sent = new Sent();
    assert.equal(sent.add(512 * 1024 - 1), undefined);
    assert.ok(sent.add(1) instanceof Promise);
  });

  it('is overrun by a sender that does not wait', () => {
    const many = new Arrived();
    let count = 0;
    while (!many.add(1, 1)) count++;
    assert.equal(count, 128);
    const large = new Arrived();
    let bytes = 0;
    while (!large.add(1024 * 1024, 1024 * 1024)) bytes += 1024 * 1024;
    assert.equal(bytes, 3 * 1024 * 1024);
  });

  it('does not believe that more was read than was sent', () => {
    const sent = new Sent();
    void sent.add(1);
    assert.throws(() => sent.read(2), { code: 'invalid_argument' });
  });
});

describe('NatsTransport', () => {
  it('is unavailable before its start, and after its stop', async () => {
    const transport = new NatsTransport({}, parts());
    await transport.stop();
    const refused = { code: 'unavailable', executed: false, message: 'the nats transport is not started' };
    assert.throws(() => transport.dial('x'), refused);
    await assert.rejects(
      transport.listen('x', () => {}),
      refused,
    );
  });

  it('shows no secret when it is looked at', () => {
    const secret = 'hunter2';
    const addresses = [`nats://ada:${secret}@127.0.0.1:1`];
    const options = { addresses, user: 'ada', pass: secret, token: secret, tls: { key: secret } };
    const transport = new NatsTransport(options, parts());
    assert.ok(!inspect(transport, { depth: 10, showHidden: true }).includes(secret));
    assert.ok(!JSON.stringify(transport).includes(secret));
  });

  it('names an address that it cannot read, without what stands before the @', () => {
    for (const address of ['nats://ada:hunter2@', 'ftp://hunter2@x:1', 'nats://ada:hunter2@a b:1'])
      assert.throws(
        () => new NatsTransport({ addresses: [address] }, parts()),
        (reason: Error) =>
          /is no address of a NATS server/.test(reason.message) && !/hunter2/.test(reason.message),
      );
  });

  it('tells subjects from what is none', () => {
    for (const fine of ['greeter', 'a.b.c', '_INBOX.x', '127.0.0.1:8080', 'é'])
      assert.ok(isSubject(fine), fine);
    for (const wrong of ['', 'a b', 'a.*', 'a.>', '.a', 'a.', 'a..b', 'a\r\nPUB x', 'x'.repeat(257)])
      assert.ok(!isSubject(wrong), wrong);
  });
});
