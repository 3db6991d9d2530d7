import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Field, Message } from '../../decorators/index.js';
import type { CallHeader, Codec, MessageKind } from '../../src/codec/codec.js';
import { GrpcCodec } from '../../src/codec/grpc.js';
import { JsonRpcCodec } from '../../src/codec/jsonrpc.js';
import { MercuryCodec } from '../../src/codec/mercury.js';
import { MsgpackCodec } from '../../src/codec/msgpack.js';
import { ProtoRpcCodec } from '../../src/codec/protorpc.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';

@Message('golden.Body')
class Body {
  @Field(1, 'string') text = '';
  @Field(2, 'fixed64') large = 0n;
}

@Message('golden.Health')
class Health {
  @Field(1, 'string') status = '';
}

const BODY = { text: 'x', large: 1n };

function header(kind: MessageKind, id: CallHeader['id'], endpoint = '', error?: OctavoError): CallHeader {
  return { kind, id, service: 'say', endpoint, ...(error && { error }) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function fromHex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join(''), 'hex');
}

function refused(run: () => unknown): void {
  assert.throws(run, (reason) => reason instanceof OctavoError && reason.code === 'invalid_argument');
}

describe('protorpc, as go-micro has it', () => {
  const codec = new ProtoRpcCodec();
  const name = '0a095361792e48656c6c6f';
  const seven = '110700000000000000';
  const body = '0a0178110100000000000000';

  it('writes and reads the request of v1.18', () => {
    const golden = fromHex('00000014', name, seven, '0000000c', body);
    assert.equal(hex(codec.write(header('request', '7', 'Say.Hello'), BODY, Body)), hex(golden));
    assert.deepEqual(codec.readHeader(golden, 'request'), {
      kind: 'request',
      id: '7',
      service: '',
      endpoint: 'Say.Hello',
    });
    assert.deepEqual(codec.readBody(golden, Body, 'request'), Object.assign(new Body(), BODY));
  });

  it('writes the response of v4 and v6, and reads that of v1.18 too', () => {
    const v6 = fromHex('00000009', '110500000000000000', '00000004', '0a026f6b');
    assert.equal(
      hex(codec.write(header('response', '5', 'Debug.Health'), { status: 'ok' }, Health)),
      hex(v6),
    );
    assert.deepEqual(codec.readBody(v6, Health, 'response'), Object.assign(new Health(), { status: 'ok' }));
    const v1 = fromHex('00000016', name, seven, '1a00', '0000000c', body);
    const told = codec.readHeader(v1, 'response');
    assert.deepEqual(
      [told?.kind, told?.id, told?.endpoint, told?.error],
      ['response', '7', 'Say.Hello', undefined],
    );
    assert.deepEqual(codec.readBody(v1, Body, 'response'), Object.assign(new Body(), BODY));
  });

  it('reads their errors, and an id that is no number is 0', () => {
    const v1 = fromHex('0000001a', name, seven, '1a04626f6f6d', '00000000');
    const told = codec.readHeader(v1, 'response');
    assert.deepEqual([told?.kind, told?.error?.code, told?.error?.message], ['error', 'unknown', 'boom']);
    const text = "rpc: can't find method Nope";
    const v6 = fromHex('0000001d', '1a1b', Buffer.from(text).toString('hex'), '00000000');
    assert.deepEqual(codec.readHeader(v6, 'response')?.error?.code, 'unimplemented');
    const nobody = codec.write(header('request', 'abc', 'Say.Hello'), BODY, Body);
    assert.equal(codec.readHeader(nobody, 'request')?.id, '0');
    const most = codec.write(header('request', '18446744073709551615', 'Say.Hello'), BODY, Body);
    assert.equal(codec.readHeader(most, 'request')?.id, '18446744073709551615');
  });

  it('has no envelope around an event', () => {
    assert.equal(hex(codec.write(header('event', 'x', 'topic'), BODY, Body)), body);
    assert.equal(codec.readHeader(fromHex(body), 'event'), undefined);
    assert.deepEqual(codec.readBody(fromHex(body), Body, 'event'), Object.assign(new Body(), BODY));
  });

  it('refuses lengths that lie, by little or by gigabytes, and what is left behind', () => {
    for (const bytes of ['00', 'ffffffff', '00000002110700000000', '0000000000000001', '000000000000000000'])
      refused(() => {
        codec.readHeader(fromHex(bytes), 'request');
        codec.readBody(fromHex(bytes), Body, 'request');
      });
  });
});

describe('jsonrpc, as go-micro has it', () => {
  const codec = new JsonRpcCodec();
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

  it('writes one parameter, ids as they are, and a line break', () => {
    assert.equal(
      text(codec.write(header('request', '0', 'Greeter.Hello'), { status: 'a' }, Health)),
      '{"method":"Greeter.Hello","params":[{"status":"a"}],"id":"0"}\n',
    );
    assert.equal(
      text(codec.write(header('response', '5'), { status: 'ok' }, Health)),
      '{"id":"5","result":{"status":"ok"},"error":null}\n',
    );
    assert.equal(text(codec.write(header('event', '5'), { status: 'ok' }, Health)), '{"status":"ok"}\n');
  });

  it('writes an error as the text of Micro-Error, and reads that and plain text', () => {
    const error = new OctavoError('not_found', 'no <such>', { id: 'greeter.fail' });
    const written = text(codec.write(header('error', '5', '', error), undefined, undefined));
    const said = '{"id":"greeter.fail","code":404,"detail":"no <such>","status":"Not Found"}';
    assert.equal(written, `{"id":"5","result":null,"error":${JSON.stringify(said)}}\n`);
    const cases = [
      [written, 'not_found', 'no <such>'],
      ['{"id":"5","result":1,"error":"plain"}', 'unknown', 'plain'],
      ['{"id":"5","result":null,"error":""}', 'unknown', 'unspecified error'],
      [`{"id":5,"error":"rpc: can't find method x"}`, 'unimplemented', "rpc: can't find method x"],
      ['{"id":5,"error":{"code":408,"detail":"late"}}', 'deadline_exceeded', 'late'],
    ] as const;
    for (const [body, code, message] of cases) {
      const told = codec.readHeader(Buffer.from(body), 'response');
      assert.deepEqual([told?.kind, told?.error?.code, told?.error?.message], ['error', code, message]);
    }
  });

  it('tells 7 and "7" apart, unlike go-micro, and does not answer the id null', () => {
    const id = (json: string): unknown =>
      codec.readHeader(Buffer.from(`{"method":"a.B","params":[],"id":${json}}`), 'request')?.id;
    assert.deepEqual([id('7'), id('"7"'), id('null')], [7, '7', null]);
    for (const [json, kind] of [
      ['{"method":"a.B","params":[],"id":null}', 'event'],
      ['{"method":"a.B","params":[],"id":0}', 'request'],
    ] as const)
      assert.equal(codec.readHeader(Buffer.from(json), 'request')?.kind, kind);
    assert.equal(text(codec.write(header('response', 7), {}, Health)), '{"id":7,"result":{},"error":null}\n');
  });

  it('refuses what is no request', () => {
    for (const body of [
      '1',
      'null',
      '[]',
      '{}',
      '{"method":1,"id":1}',
      '{"method":"a","id":{}}',
      '{"method":"a","id":1e999}',
      '{"method":"a"',
    ])
      refused(() => codec.readHeader(Buffer.from(body), 'request'));
    for (const params of ['{}', '1', '[{},{}]', '[1]'])
      refused(() =>
        codec.readBody(Buffer.from(`{"method":"a","id":1,"params":${params}}`), Health, 'request'),
      );
  });
});

describe('msgpack, as go-micro has it', () => {
  const cases: readonly (readonly [string, CallHeader, unknown])[] = [
    ['9400a3313030a443616c6c90', header('request', '100', 'Call'), null],
    ['9302a443616c6c90', header('event', 'x', 'Call'), null],
    ['9400a3313030a443616c6c9182a178c3a17901', header('request', '100', 'Call'), { x: true, y: 1 }],
    ['9401a3313030c081a178c40101', header('response', '100'), { x: Uint8Array.from([1]) }],
    ['94010ac0cf8000000000000000', header('response', 10), 2n ** 63n],
  ];

  it('writes and reads arrays of msgpackrpc', async () => {
    const codec: Codec & MsgpackCodec = new MsgpackCodec();
    await codec.start();
    for (const [golden, head, value] of cases) {
      assert.equal(hex(codec.write(head, value, undefined)), golden);
      assert.deepEqual(codec.readBody(fromHex(golden), undefined, head.kind), value);
      assert.equal(codec.readHeader(fromHex(golden), head.kind)?.kind, head.kind);
    }
    const told = codec.readHeader(fromHex('9401a3313030a56572726f72c0'), 'response');
    assert.deepEqual([told?.kind, told?.id, told?.error?.message], ['error', '100', 'error']);
  });

  it('packs integers of 64 bits, floats and bytes of a message as they are', async () => {
    const codec = new MsgpackCodec();
    await codec.start();
    const bytes = codec.write(header('response', '1'), { text: 'x', large: 2n ** 63n }, Body);
    assert.equal(hex(bytes), '9401a131c082a474657874a178a56c61726765cf8000000000000000');
    assert.deepEqual(
      codec.readBody(bytes, Body, 'response'),
      Object.assign(new Body(), { text: 'x', large: 2n ** 63n }),
    );
  });

  it('reads the integer ids of the specification', async () => {
    const codec = new MsgpackCodec();
    await codec.start();
    assert.equal(codec.readHeader(fromHex('9400ceffffffffa443616c6c90'), 'request')?.id, 4_294_967_295);
  });

  it('refuses other sizes and types, two parameters, and errors that are no text', async () => {
    const codec = new MsgpackCodec();
    await codec.start();
    for (const bytes of [
      '93000a90',
      '9403a131a16190',
      '9400a131a161920102',
      '9401a13101c0',
      '9400c3a16190',
      '81a16101',
    ])
      refused(() => {
        codec.readHeader(fromHex(bytes), bytes.startsWith('9401') ? 'response' : 'request');
        codec.readBody(fromHex(bytes), undefined, 'request');
      });
  });

  it('refuses what would grow, before it grows', async () => {
    const codec = new MsgpackCodec();
    await codec.start();
    const before = process.memoryUsage().rss;
    for (const bytes of [
      'ddfffffffe',
      'dd01000000',
      'dfffffffff',
      'c6ffffffff',
      'dbffffffff',
      'c9ffffffff00',
      'd40000',
      'c1',
    ])
      for (const wrap of ['', '9400a131a16191'])
        refused(() => codec.readBody(fromHex(wrap, bytes), undefined, 'request'));
    assert.ok(process.memoryUsage().rss - before < 50_000_000);
  });

  it('says what to do where it was not started', () => {
    assert.throws(() => new MsgpackCodec().write(header('request', '1', 'a'), {}, undefined), /start\(\)/);
  });
});

describe('mercury, as go-micro had it', () => {
  const codec = new MercuryCodec({ contentType: 'application/octet-stream' });

  it('is bare proto3, and names the call in the header', () => {
    const bytes = codec.write(header('request', '7', 'Say.Hello'), BODY, Body);
    assert.equal(hex(bytes), '0a0178110100000000000000');
    assert.deepEqual(codec.readBody(bytes, Body), Object.assign(new Body(), BODY));
    assert.deepEqual(codec.writeCall(header('request', '7', 'Say.Hello')), [
      ['Content-Encoding', 'request'],
      ['Service', 'say'],
      ['Endpoint', 'Say.Hello'],
    ]);
    assert.deepEqual(codec.writeCall(header('response', '7')), [['Content-Encoding', 'response']]);
    assert.deepEqual(codec.writeCall(header('event', '7', 'topic')), []);
    const said = new Metadata({ service: 'say', endpoint: 'Say.Hello' });
    assert.deepEqual(codec.readCall(said), { service: 'say', endpoint: 'Say.Hello' });
    assert.deepEqual(codec.readCall(new Metadata()), { service: '', endpoint: '' });
    assert.deepEqual(codec.contentTypes, ['application/octet-stream']);
  });
});

describe('grpc, as go-micro has it', () => {
  it('frames proto', () => {
    const codec = new GrpcCodec();
    const bytes = codec.write(header('response', '1'), { status: 'ok' }, Health);
    assert.equal(hex(bytes), '00000000040a026f6b');
    assert.deepEqual(codec.readBody(bytes, Health), Object.assign(new Health(), { status: 'ok' }));
    assert.deepEqual(codec.contentTypes, ['application/grpc+proto', 'application/grpc']);
  });

  it('frames JSON under a content type of its own', () => {
    const codec = new GrpcCodec({ format: 'json' });
    const bytes = codec.write(header('response', '1'), { status: 'ok' }, Health);
    assert.equal(Buffer.from(bytes).toString('latin1'), '\0\0\0\0\x0f{"status":"ok"}');
    assert.deepEqual(codec.readBody(bytes, Health), Object.assign(new Health(), { status: 'ok' }));
    assert.deepEqual(codec.contentTypes, ['application/grpc+json']);
  });

  it('refuses compressed messages and lengths that lie', () => {
    for (const bytes of [
      '00',
      '00000000',
      '01000000040a026f6b',
      '00000000050a026f6b',
      '00000000030a026f6b',
      '00ffffffff',
    ])
      refused(() => new GrpcCodec().readBody(fromHex(bytes), Health));
  });
});
