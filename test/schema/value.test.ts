import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Field, MapField, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import type { Ref } from '../../src/schema/message-type.js';
import { schemaValue } from '../../src/schema/value.js';
import { Color, Envelope, Free, Scalars } from './sample-messages.js';
import type { ColorValue } from './sample-messages.js';

@Message('x.v1.Tree')
class Tree {
  @Field(1, 'string') userName = '';
  @Field(2, () => Tree) left?: Ref<Tree>;
  @Repeated(3, () => Tree) all: Tree[] = [];
  @Repeated(4, 'bytes') blobs: Uint8Array[] = [];
  @MapField(5, 'string', 'int64') counts = new Map<string, bigint>();
  @Field(6, Color) color: ColorValue = 0;
  @Field(7, 'google.protobuf.Timestamp') at?: Date;
}

const leaves = [
  { name: 'all', type: '[]Tree', values: [] },
  { name: 'blobs', type: '[][]uint8', values: [] },
  { name: 'counts', type: '', values: [] },
  { name: 'color', type: 'Color', values: [] },
  { name: 'at', type: 'Timestamp', values: [] },
];
const name = { name: 'userName', type: 'string', values: [] };

describe('the value for the registry', () => {
  it('names the type, and its fields to the depth of three', () =>
    assert.deepEqual(schemaValue(Tree), {
      name: 'Tree',
      type: 'Tree',
      values: [
        name,
        { name: 'left', type: 'Tree', values: [name, { name: 'left', type: 'Tree', values: [] }, ...leaves] },
        ...leaves,
      ],
    }));

  it('names the types that hold JSON, or any message', () => {
    assert.deepEqual(
      schemaValue(Free)
        .values.slice(0, 5)
        .map(({ type, values }) => [type, values.length]),
      [
        ['Struct', 0],
        ['Value', 0],
        ['ListValue', 0],
        ['NullValue', 0],
        ['[]Value', 0],
      ],
    );
    assert.deepEqual(schemaValue(Envelope).values[0], {
      name: 'content',
      type: 'Any',
      values: [
        { name: 'typeUrl', type: 'string', values: [] },
        { name: 'value', type: '[]uint8', values: [] },
      ],
    });
  });

  it("has Go's names of the scalar types", () =>
    assert.deepEqual(
      schemaValue(Scalars).values.map(({ type }) => type),
      [
        'float64',
        'float32',
        'int32',
        'int64',
        'uint32',
        'uint64',
        'int32',
        'int64',
        'uint32',
        'uint64',
        'int32',
        'int64',
        'bool',
        'string',
        '[]uint8',
      ],
    ));
});
