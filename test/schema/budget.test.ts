import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Field, MapField, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex, refused } from './refused.js';
import { Lists, Maps } from './sample-messages.js';

@Message('sample.Heavy')
class Heavy {
  @Repeated(1, 'string') a: string[] = [];
  @Repeated(2, 'string') b: string[] = [];
  @MapField(3, 'string', 'string') c = new Map<string, string>();
  @MapField(4, 'string', () => Heavy) d = new Map<string, Heavy>();
  @Repeated(5, () => Heavy) e: Heavy[] = [];
  @Field(6, 'string') f = '';
  @Field(7, 'string') g = '';
  @Field(8, 'string') h = '';
}

describe('decoding makes at most a million elements', () => {
  const bomb = (bytes: string, times: number): Uint8Array =>
    Buffer.alloc((bytes.length / 2) * times, bytes, 'hex');
  const bombs: readonly [name: string, MessageType, bytes: Uint8Array, limit: RegExp][] = [
    ['of empty strings', Lists, bomb('3200', 1_000_001), /\.strings\[1000000\]: more than 1000000 elements/],
    ['of numbers one by one', Lists, bomb('0800', 1_000_001), /\.int32s\[1000000\]: more than/],
    [
      'of packed numbers',
      Lists,
      Buffer.concat([hex('2ac1843d'), bomb('01', 1_000_001)]),
      /\.bools\[1000000\]: more than/,
    ],
    ['of empty bytes, which count twice', Lists, bomb('3a00', 500_001), /\.blobs\[500000\]: more than/],
    ['of bytes in maps', Maps, bomb('1a00', 500_001), /\.blobs\[false\]: more than/],
    // Three each: an instance, its bytes and fifteen fields; and one more as an item.
    ['of messages with bytes', Lists, bomb('4a00', 250_001), /\.messages\[250000\]: more than/],
    ['of map entries', Maps, bomb('0a00', 1_000_001), /\.counts\[""\]: more than/],
    // Seven each: an instance, five lists and maps, eight fields; and one more as an item.
    ['of messages, which count for what they hold', Heavy, bomb('2a00', 125_001), /\.e\[125000\]: more than/],
    [
      'of messages in map entries without value',
      Heavy,
      bomb('2200', 125_001),
      /^sample\.Heavy\.d\[""\]: more than/,
    ],
  ];
  for (const [name, type, bytes, limit] of bombs)
    it(name, () => void refused(() => schemaOf(type).decode(bytes), limit));

  it('and a million of them', () => {
    assert.equal(schemaOf(Lists).decode(bomb('3200', 1_000_000)).strings.length, 1_000_000);
    assert.equal(schemaOf(Heavy).decode(bomb('2a00', 125_000)).e.length, 125_000);
  });
});
