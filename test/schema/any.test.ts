import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Field } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { Any } from '../../src/schema/any.js';
import { Duration } from '../../src/schema/duration.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex, refused, toHex } from './refused.js';
import { Choices, Envelope, Scalars } from './sample-messages.js';

const { encode, decode, toJson, fromJson } = schemaOf(Envelope);
const url = (name: string): string => `type.googleapis.com/${name}`;

/** What JSON becomes on the way to bytes and back. */
function travelled(json: unknown): unknown {
  return toJson(decode(encode(fromJson(json))));
}

describe('Any', () => {
  it('holds an instance and gives a fresh one', () => {
    const scalars = Object.assign(new Scalars(), { int32: 5 });
    const any = Any.pack(scalars);
    assert.equal(any.typeUrl, url('sample.Scalars'));
    assert.equal(toHex(any.value), '1805');
    const unpacked: Scalars = any.unpack(Scalars);
    assert.ok(unpacked instanceof Scalars && unpacked !== scalars);
    assert.deepEqual(unpacked, scalars);
  });

  it('holds a plain object whose class is named', () =>
    assert.deepEqual(Any.pack({ age: 7 }, Choices).unpack(Choices).age, 7));

  it('holds well-known types', () => {
    assert.deepEqual(
      Any.pack(new Date(1_500), 'google.protobuf.Timestamp').unpack('google.protobuf.Timestamp'),
      new Date(1_500),
    );
    assert.deepEqual(Any.pack({ a: [1] }, 'google.protobuf.Struct').unpack('google.protobuf.Struct'), {
      a: [1],
    });
    assert.equal(Any.pack(null, 'google.protobuf.Value').unpack('google.protobuf.Value'), null);
    assert.equal(toHex(Any.pack({}, 'google.protobuf.Empty').value), '');
    const inner = Any.pack(Any.pack(new Scalars())).unpack(Any);
    assert.ok(inner instanceof Any && inner.is(Scalars));
  });

  it('says what it holds, whatever the prefix', () => {
    const any = Any.pack(new Scalars());
    assert.ok(any.is(Scalars) && !any.is(Choices) && !any.is('google.protobuf.Empty'));
    assert.ok(Object.assign(new Any(), { typeUrl: 'types.example/a/sample.Scalars' }).is(Scalars));
    assert.ok(Object.assign(new Any(), { typeUrl: 'sample.Scalars' }).is(Scalars));
    assert.ok(!new Any().is(Scalars));
  });

  it('refuses to be unpacked as another type, or from bytes that are wrong', () => {
    refused(
      () => Any.pack(new Scalars()).unpack(Choices),
      'an Any holds sample.Scalars, and not sample.Choices: ask is() first',
    );
    refused(() => new Any().unpack(Choices), /holds nothing/);
    const any = Object.assign(new Any(), { typeUrl: url('sample.Scalars'), value: hex('18') });
    refused(() => any.unpack(Scalars), 'sample.Scalars.int32: the bytes end in the middle of it');
    const time = Object.assign(new Any(), { typeUrl: url('google.protobuf.Timestamp'), value: hex('08') });
    refused(() => time.unpack('google.protobuf.Timestamp'), /^google\.protobuf\.Timestamp: the bytes end/);
    const noBytes = Object.assign(new Any(), { typeUrl: url('google.protobuf.Value'), value: 'x' });
    refused(() => noBytes.unpack('google.protobuf.Value'), /^google\.protobuf\.Value: expected a Uint8Array/);
  });

  it('refuses to pack what does not fit, or does not say what it is', () => {
    refused(
      () => Any.pack({ int32: 'x' as unknown as number }, Scalars),
      /^sample\.Scalars\.int32: expected/,
    );
    refused(
      () => Any.pack({ a: [Number.NaN] }, 'google.protobuf.Struct'),
      /^google\.protobuf\.Struct\["a"\]\[0\]: expected a number that JSON can hold, got NaN$/,
    );
    refused(() => Any.pack({}), /^Any\.pack\(\): only an instance/, 'failed_precondition');
    refused(() => Any.pack(new Date()), /^class Date: it is no message/, 'failed_precondition');
  });
});

describe('Any in bytes', () => {
  it('travels, whether its type is known or not', () => {
    const bytes = encode({
      content: { typeUrl: 'x/y.Unknown', value: hex('ff') },
      list: [Any.pack(new Scalars())],
    });
    const { content, list } = decode(bytes);
    assert.ok(content instanceof Any && content.typeUrl === 'x/y.Unknown');
    assert.equal(toHex(content.value), 'ff');
    assert.ok(list[0]?.is(Scalars));
    assert.equal(toHex(encode(decode(bytes))), toHex(bytes));
  });

  it('is merged like other messages where it is given twice', () => {
    const { content } = decode(hex('0a03 0a0161 0a03 1201ff'));
    assert.deepEqual(content, Object.assign(new Any(), { typeUrl: 'a', value: hex('ff') }));
  });
});

describe('Any in JSON', () => {
  const forms: readonly (readonly [name: string, json: object])[] = [
    ['a message', { content: { '@type': url('sample.Scalars'), int32: 5, int64: '7' } }],
    ['an empty message', { content: { '@type': url('sample.Choices') } }],
    ['a class that comes later', { content: { '@type': url('sample.Envelope'), text: 'x' } }],
    ['another prefix', { content: { '@type': 'types.example/sample.Scalars', bool: true } }],
    ['nothing', { content: {} }],
    [
      'lists and maps',
      { list: [{ '@type': url('sample.Scalars') }], map: { a: { '@type': url('sample.Scalars') } } },
    ],
    ['a time', { plain: { '@type': url('google.protobuf.Timestamp'), value: '1970-01-01T00:00:01.500Z' } }],
    ['a duration', { plain: { '@type': url('google.protobuf.Duration'), value: '1.500s' } }],
    ['a wrapper', { plain: { '@type': url('google.protobuf.Int64Value'), value: '5' } }],
    ['a Struct', { plain: { '@type': url('google.protobuf.Struct'), value: { '@type': 'x', a: [null] } } }],
    ['a null Value', { plain: { '@type': url('google.protobuf.Value'), value: null } }],
    ['an Empty', { plain: { '@type': url('google.protobuf.Empty') } }],
    [
      'an Any',
      {
        content: {
          '@type': url('google.protobuf.Any'),
          value: { '@type': url('sample.Scalars'), string: 'x' },
        },
      },
    ],
  ];
  for (const [name, json] of forms) it(`holds ${name}`, () => assert.deepEqual(travelled(json), json));

  it('takes the options of what holds it', () =>
    assert.deepEqual(toJson({ content: Any.pack({ int64: 7n }, Scalars) }, { int64: 'number' }), {
      content: { '@type': url('sample.Scalars'), int64: 7 },
    }));

  it('reads an Empty with a value, as Go writes it, and skips unknown members', () => {
    const { plain } = fromJson({ plain: { value: {}, '@type': url('google.protobuf.Empty') } });
    assert.ok(plain?.is('google.protobuf.Empty'));
    const { content } = fromJson({ content: { later: [1], '@type': url('sample.Scalars'), int32: 1 } });
    assert.equal(content?.unpack(Scalars).int32, 1);
  });

  it('stands alone', () => {
    const { toJson: write, fromJson: read } = schemaOf(Any);
    const json = { '@type': url('google.protobuf.Duration'), value: '2s' };
    assert.deepEqual(write(Any.pack(new Duration(2n), 'google.protobuf.Duration')), json);
    assert.deepEqual(read(json).unpack('google.protobuf.Duration'), new Duration(2n));
  });

  it('refuses types that the field does not name, and says the remedy', () => {
    const remedy = /the JSON of type ".*" is not known here; name its class at the field: Any\.of\(Class\)$/;
    refused(() => toJson({ plain: Any.pack(new Scalars()) }), remedy);
    refused(
      () => toJson({ list: [Any.pack(new Choices())] }),
      /^sample\.Envelope\.list\[0\]: the JSON of type/,
    );
    refused(() => toJson({ content: { typeUrl: '', value: hex('00') } }), remedy);
    for (const name of ['x.Y', '__proto__', 'constructor', '', '/'])
      refused(() => fromJson({ plain: { '@type': name } }), remedy);
    const long = refused(() => fromJson({ plain: { '@type': 'x'.repeat(10_000) } }), remedy);
    assert.ok(long.message.length < 300);
  });

  it('refuses what is wrong in it, with the path', () => {
    const wrong: readonly (readonly [json: object, message: RegExp])[] = [
      [{ content: { int32: 5 } }, /^sample\.Envelope\.content: "@type" has to name the type of an Any$/],
      [{ content: { '@type': 5 } }, /"@type" has to name/],
      [{ content: [] }, /\.content: expected an object, got an array$/],
      [{ content: 'x' }, /\.content: expected/],
      [
        { content: { '@type': url('sample.Scalars'), int32: 'x' } },
        /^sample\.Envelope\.content\.int32: expected/,
      ],
      [
        { plain: { '@type': url('google.protobuf.Duration') } },
        /\.plain\.value: expected the JSON of google/,
      ],
      [
        { plain: { '@type': url('google.protobuf.Duration'), value: 5 } },
        /\.plain\.value: expected a duration/,
      ],
      [
        { plain: { '@type': url('google.protobuf.Value'), value: [{ a: '\ud800' }] } },
        /\.plain\.value\[0\]\["a"\]: expected a string without lone/,
      ],
      [
        { content: { '@type': `\ud800${url('sample.Scalars')}` } },
        /\.content: expected a string without lone/,
      ],
    ];
    for (const [json, message] of wrong) refused(() => fromJson(json), message);
    refused(
      () => toJson({ content: { typeUrl: url('sample.Scalars'), value: hex('18') } }),
      /^sample\.Envelope\.content\.int32: the bytes end/,
    );
    refused(
      () => toJson({ content: { typeUrl: 5, value: hex('') } } as unknown as Envelope),
      /^sample\.Envelope\.content\.typeUrl: expected a string, got 5$/,
    );
  });

  it('is at most 100 deep', () => {
    let json: object = { '@type': url('google.protobuf.Empty') };
    for (let depth = 0; depth < 98; depth++) json = { '@type': url('google.protobuf.Any'), value: json };
    assert.deepEqual(travelled({ content: json }), { content: json });
    json = { '@type': url('google.protobuf.Any'), value: json };
    refused(() => fromJson({ content: json }), /more than 100 messages inside each other$/);
    let any = Any.pack(new Scalars());
    for (let depth = 0; depth < 99; depth++) any = Any.pack(any);
    refused(() => toJson({ content: any }), /more than 100 messages inside each other$/);
  });

  it('counts what is in it', () => {
    const strings = Array.from({ length: 1_000_001 }, () => 0);
    const json = { '@type': url('google.protobuf.ListValue'), value: strings };
    refused(() => fromJson({ plain: json }), /\.plain\.value.*more than 1000000 elements/);
  });
});

describe('Any.of', () => {
  it('refuses what is no message, or two classes of one name', () => {
    @Message('sample.Scalars')
    class Other {}
    @Message('sample.Bad')
    class Twice {
      @Field(1, Any.of(Scalars, Other)) any?: Any;
    }
    refused(
      () => schemaOf(Twice),
      'sample.Bad.any: Any.of has two classes of the name sample.Scalars; leave one out',
      'failed_precondition',
    );
    class NoMessage {}
    for (const known of [
      NoMessage,
      undefined as unknown as typeof NoMessage,
      (() => 5) as unknown as () => typeof NoMessage,
    ]) {
      @Message('sample.Bad')
      class Bad {
        @Field(1, Any.of(known)) any?: Any;
      }
      refused(
        () => schemaOf(Bad),
        /it is no message|its type is undefined|returned 5/,
        'failed_precondition',
      );
    }
    @Message('sample.Bad')
    class Name {
      @Field(1, Any.of('google.protobuf.Duration' as unknown as typeof NoMessage)) any?: Any;
    }
    refused(() => schemaOf(Name), /Any\.of takes message classes/, 'failed_precondition');
  });
});
