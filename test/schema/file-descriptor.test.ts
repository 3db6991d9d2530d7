import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Reader } from 'protobufjs/minimal.js';
import { Field, MapField, OneOf } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { Duration } from '../../src/schema/duration.js';
import { Empty } from '../../src/schema/empty.js';
import { fileDescriptors, fileDescriptorSet } from '../../src/schema/file-descriptor.js';
import type { JsonObject } from '../../src/schema/json-value.js';
import { protoEnum } from '../../src/schema/proto-enum.js';
import { protoFiles } from '../../src/schema/proto-text.js';
import { Protoc, withoutProtoc } from './protoc.js';
import { samples } from './sample-messages.js';

const Level = protoEnum('desc.Level', { HIGH: 1, LOW: 0, TOP: 1 });

@Message('other.v1.Amount')
class Amount {
  @Field(1, 'int64') cents = 0n;
}

@Message('desc.Everything', { reserved: [7, 'gone'] })
class Everything {
  @Field(1, 'string', { optional: true }) nick_name?: string;
  @Field(2, 'string') @OneOf('_nick') member?: string;
  @Field(12, 'string', { optional: true }) nick?: string;
  @Field(3, Level) level = 0 as number;
  @Field(4, Level, { optional: true }) other?: number;
  @Field(5, 'google.protobuf.Struct') struct?: JsonObject;
  @Field(6, 'google.protobuf.NullValue') nothing = null;
  @MapField(8, 'string', Amount) byName = new Map<string, Amount>();
  @MapField(9, 'sint64', Level) levels_of = new Map<bigint, number>();
  @Field(10, 'google.protobuf.StringValue') text?: string;
  @Field(11, 'google.protobuf.Duration') time?: Duration;
}

const services = [
  {
    name: 'desc.Desc',
    methods: [
      { name: 'One', request: Everything, reply: Empty, kind: 'unary' },
      { name: 'Many', request: Amount, reply: Everything, kind: 'server' },
      { name: 'Take', request: Everything, reply: Amount, kind: 'client' },
      { name: 'Talk', request: Everything, reply: Everything, kind: 'bidi' },
    ],
  },
] as const;

/** The files of a FileDescriptorSet, by their paths. */
function filesIn(set: Buffer): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  const reader = Reader.create(set);
  while (reader.pos < reader.len) {
    reader.uint32();
    const file = Buffer.from(reader.bytes());
    const inner = Reader.create(file);
    inner.uint32();
    files.set(inner.string(), file);
  }
  return files;
}

describe('file descriptors', () => {
  const cases = [
    ['samples of every kind of field', samples, []],
    ['services, maps, optionals, enums and Google’s own', [], services],
  ] as const;
  for (const [what, types, served] of cases)
    it(`are the bytes that protoc makes of the .proto text: ${what}`, { skip: withoutProtoc }, () => {
      const protoc = new Protoc(protoFiles(types, served));
      const theirs = filesIn(protoc.descriptors());
      protoc.close();
      const ours = fileDescriptors(types, served);
      assert.deepEqual(ours.map(({ path }) => path).sort(), [...theirs.keys()].sort());
      for (const { path, bytes } of ours)
        assert.equal(Buffer.from(bytes).toString('latin1'), theirs.get(path)?.toString('latin1'), path);
    });

  it('come after those that they import', () => {
    const paths = fileDescriptors([], services).map(({ path }) => path);
    assert.ok(paths.indexOf('other/v1.proto') < paths.indexOf('desc.proto'));
    assert.ok(paths.indexOf('google/protobuf/struct.proto') < paths.indexOf('desc.proto'));
  });

  it('name all that is declared in them', () => {
    const desc = fileDescriptors([], services).find(({ path }) => path === 'desc.proto');
    for (const symbol of [
      'desc.Everything',
      'desc.Everything.nick_name',
      'desc.Everything.ByNameEntry',
      'desc.Level',
      'desc.TOP',
      'desc.Desc',
      'desc.Desc.Talk',
    ])
      assert.ok(desc?.symbols.includes(symbol), symbol);
  });

  it('are one set, too', () => {
    const set = Buffer.from(fileDescriptorSet([Amount]));
    const [file] = fileDescriptors([Amount]);
    assert.deepEqual(
      set,
      Buffer.concat([Buffer.of(10, file?.bytes.length ?? 0), file?.bytes ?? Buffer.of()]),
    );
  });
});
