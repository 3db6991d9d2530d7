import assert from 'node:assert/strict';
import { Field, MapField, Message, Repeated } from '../../decorators/index.js';
import type { CallHeader, Codec, MessageKind } from '../../src/codec/codec.js';
import { OctavoError } from '../../src/core/error.js';
import { Any } from '../../src/schema/any.js';
import type { JsonObject, JsonValue } from '../../src/schema/json-value.js';
import type { Suite } from './conform.js';

@Message('conformance.Part')
class Part {
  @Field(1, 'string') name = '';
}

@Message('conformance.Whole')
class Whole {
  @Field(1, 'string') text = '';
  @Field(2, 'int64') large = 0n;
  @Field(3, 'bytes') blob: Uint8Array = new Uint8Array(0);
  @Field(4, () => Part) part?: Part;
  @Repeated(5, 'double') numbers: number[] = [];
  @MapField(6, 'string', 'int32') counts = new Map<string, number>();
  @Field(7, 'bool') flag = false;
  @Field(8, 'google.protobuf.Struct') json?: JsonObject;
  @Field(9, 'google.protobuf.Value') nothing?: JsonValue;
  @Field(10, Any.of(Part)) any?: Any;
  @Field(11, 'google.protobuf.Timestamp') at?: Date;
}

function header(kind: MessageKind): CallHeader {
  return { kind, id: '7', service: 'greeter', endpoint: 'Greeter.Hello' };
}

function whole(): Whole {
  return Object.assign(new Whole(), {
    text: 'é 日本 "\n',
    large: -(2n ** 63n),
    blob: Uint8Array.from([0, 1, 255]),
    part: Object.assign(new Part(), { name: 'part' }),
    numbers: [0, -1.5, 1e300],
    counts: new Map([['a', 1]]),
    flag: true,
    json: { a: [null, 1.5, { b: '' }] },
    nothing: null,
    any: Any.pack({ name: 'packed' }, Part),
    at: new Date(1_500),
  });
}

const KINDS: readonly MessageKind[] = ['request', 'response', 'event'];

function refused(run: () => unknown): void {
  assert.throws(run, (reason) => reason instanceof OctavoError && reason.code === 'invalid_argument');
}

const failure = new OctavoError('not_found', 'no "é" there');

/** One that has none says so of whatever bytes; others may refuse those that are no envelope. */
function hasEnvelope(codec: Codec): boolean {
  try {
    return codec.readHeader(new Uint8Array(0), 'request') !== undefined;
  } catch {
    return true;
  }
}

/** A codec under test. It has no life cycle. */
export interface CodecSubject {
  readonly codec: Codec;
}

/** The promises of `Codec`. */
export const codecSuite = {
  'names content types, in lower case and without parameters': ({ codec }) => {
    assert.ok(codec.contentTypes.length > 0 && codec.name !== '');
    for (const type of codec.contentTypes) assert.match(type, /^[a-z0-9.+-]+\/[a-z0-9.+-]+$/);
  },
  'what is written is read, whatever the kind': ({ codec }) => {
    for (const kind of KINDS) {
      const read = codec.readBody(codec.write(header(kind), whole(), Whole), Whole, kind);
      assert.ok(read instanceof Whole && read.part instanceof Part);
      assert.deepEqual(read, whole());
    }
  },
  'a plain object may be given for a message': ({ codec }) => {
    const read = codec.readBody(codec.write(header('request'), { text: 'x' }, Whole), Whole, 'request');
    assert.deepEqual(read, Object.assign(new Whole(), { text: 'x' }));
  },
  'an empty message is read back, and no bytes are one too': ({ codec }) => {
    assert.deepEqual(
      codec.readBody(codec.write(header('request'), {}, Whole), Whole, 'request'),
      new Whole(),
    );
    assert.deepEqual(codec.readBody(new Uint8Array(0), Whole, 'request'), new Whole());
  },
  'an error has no body of its own where there is no envelope': ({ codec }) => {
    if (hasEnvelope(codec)) return;
    assert.equal(codec.write({ ...header('error'), error: failure }, undefined, undefined).length, 0);
  },
  'an envelope says which call it is of, and how that ended': ({ codec }) => {
    if (!hasEnvelope(codec)) return;
    const request = codec.readHeader(codec.write(header('request'), whole(), Whole), 'request');
    assert.deepEqual([request?.kind, request?.id, request?.endpoint], ['request', '7', 'Greeter.Hello']);
    const response = codec.readHeader(codec.write(header('response'), whole(), Whole), 'response');
    assert.deepEqual([response?.kind, response?.id, response?.error], ['response', '7', undefined]);
    const refusal = codec.write({ ...header('error'), error: failure }, undefined, undefined);
    const error = codec.readHeader(refusal, 'response');
    assert.deepEqual([error?.kind, error?.id], ['error', '7']);
    assert.deepEqual([error?.error?.code, error?.error?.message], ['not_found', 'no "é" there']);
  },
  'an error without a cause is the end of a stream: an envelope without an error': ({ codec }) => {
    const end = codec.write(header('error'), undefined, undefined);
    if (!hasEnvelope(codec)) return assert.equal(end.length, 0);
    assert.equal(codec.readHeader(end, 'response')?.error, undefined);
    assert.deepEqual(codec.readBody(end, Whole, 'response'), new Whole());
  },
  'whatever an error says can be written': ({ codec }) => {
    const details = [{ type: 'x', large: 1n, circle: {} }];
    details[0]!.circle = details;
    for (const error of [
      new OctavoError('internal', 'lone \ud800, \0, ' + 'x'.repeat(100_000), { details }),
      new OctavoError('unknown', ''),
      new OctavoError('unavailable', 'EOS', { executed: false, id: '\ud800' }),
    ]) {
      const bytes = codec.write({ ...header('error'), id: null, error }, undefined, undefined);
      assert.ok(bytes.length < 65_536, `${bytes.length} bytes`);
      if (hasEnvelope(codec)) assert.ok(codec.readHeader(bytes, 'response')?.error instanceof OctavoError);
    }
  },
  'every cut of an envelope is read or refused': ({ codec }) => {
    for (const kind of ['request', 'response'] as const) {
      const bytes = codec.write(header(kind), whole(), Whole);
      for (let length = 1; length < bytes.length; length++)
        try {
          codec.readHeader(bytes.subarray(0, length), kind);
        } catch (reason) {
          assert.ok(reason instanceof OctavoError && reason.code === 'invalid_argument', String(reason));
        }
    }
  },
  'bytes that are no envelope are refused': ({ codec }) => {
    if (!hasEnvelope(codec)) return;
    for (const bytes of [
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from('[['.repeat(100_000)),
      Buffer.from('1'),
      Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
    ])
      for (const kind of ['request', 'response'] as const) refused(() => codec.readHeader(bytes, kind));
  },
  'what is read does not change with the buffer it was read from': ({ codec }) => {
    const bytes = Uint8Array.from(codec.write(header('request'), whole(), Whole));
    const read = codec.readBody(bytes, Whole, 'request');
    bytes.fill(0);
    assert.deepEqual(read, whole());
  },
  'bytes that are no such message are refused': ({ codec }) => {
    for (const bytes of [
      Buffer.from([0xff, 0xff, 0xff]),
      Buffer.from('{"text":'),
      Buffer.from([0x0a, 0x7f, 0x61]),
      Buffer.from('\x0a\x01\xff', 'latin1'),
    ])
      refused(() => codec.readBody(bytes, Whole, 'request'));
  },
  'every cut of a message is read or refused, and never crashes': ({ codec }) => {
    const bytes = codec.write(header('request'), whole(), Whole);
    for (let length = 0; length < bytes.length; length++)
      try {
        codec.readBody(bytes.subarray(0, length), Whole, 'request');
      } catch (reason) {
        assert.ok(reason instanceof OctavoError && reason.code === 'invalid_argument', String(reason));
      }
  },
  'a value that its type cannot hold is refused, with the field': ({ codec }) => {
    for (const value of [
      { text: 1 },
      { large: 1.5 },
      { numbers: ['x'] },
      { part: 'x' },
      { counts: { a: 1.5 } },
      { json: { a: Number.NaN } },
      { any: 'x' },
    ])
      assert.throws(
        () => codec.write(header('request'), value, Whole),
        (reason) =>
          reason instanceof OctavoError &&
          reason.code === 'invalid_argument' &&
          reason.message.includes(Object.keys(value)[0] ?? ''),
      );
  },
  'hostile depth is refused': ({ codec }) => {
    refused(() => codec.readBody(Buffer.from('['.repeat(200_000)), Whole, 'request'));
  },
  'hostile depth is refused without a type, too, unless the body is left as it is': ({ codec }) => {
    for (const depth of [101, 200_000]) {
      const body = Buffer.from('['.repeat(depth) + ']'.repeat(depth));
      let read: unknown;
      try {
        read = codec.readBody(body, undefined, 'request');
      } catch (reason) {
        assert.ok(reason instanceof OctavoError && reason.code === 'invalid_argument', String(reason));
        continue;
      }
      assert.ok(read instanceof Uint8Array || typeof read === 'string', 'a value that deep was made');
    }
  },
  'every cut of a message is read or refused without a type': ({ codec }) => {
    const bytes = codec.write(header('request'), whole(), Whole);
    for (let length = 0; length < bytes.length; length++)
      try {
        codec.readBody(bytes.subarray(0, length), undefined, 'request');
      } catch (reason) {
        assert.ok(reason instanceof OctavoError && reason.code === 'invalid_argument', String(reason));
      }
  },
  'what is read without a type does not change with the buffer either': ({ codec }) => {
    const bytes = Uint8Array.from(codec.write(header('request'), whole(), Whole));
    const read = codec.readBody(bytes, undefined, 'request');
    const before = structuredClone(read);
    bytes.fill(0);
    assert.deepEqual(read, before);
  },
  'without a type, what has no bytes in this codec is refused': ({ codec }) => {
    const circle: { self?: object } = {};
    circle.self = circle;
    let deep: unknown = [];
    for (let level = 0; level < 100; level++) deep = [deep];
    for (const value of [() => 1, Symbol('x'), undefined, circle, deep])
      refused(() => codec.write(header('request'), value, undefined));
  },
  'what is read without a type is written without one': ({ codec }) => {
    const bytes = codec.write(header('request'), whole(), Whole);
    const untyped = codec.readBody(bytes, undefined, 'request');
    assert.deepEqual(
      codec.readBody(codec.write(header('request'), untyped, undefined), Whole, 'request'),
      whole(),
    );
  },
} satisfies Suite<CodecSubject>;
