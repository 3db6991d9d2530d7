import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { FREE_LEVELS, TYPED_LEVELS, jsonText, parseJson } from '../../src/schema/json-text.js';
import { schemaOf } from '../../src/schema/schema.js';
import { refused } from './refused.js';
import { Choices } from './sample-messages.js';

const parse = (text: string, levels = FREE_LEVELS): unknown => parseJson(Buffer.from(text), levels);

describe('JSON text', () => {
  it('is what JSON.parse takes', () => {
    for (const text of ['1', 'null', '""', ' [ { "a" : [ ] } , -1.5e3 ] ', '{"__proto__":1,"\\u0000":"é"}'])
      assert.deepEqual(parse(text), JSON.parse(text));
  });

  it('may have any number of brackets, commas and quotes in strings', () => {
    const brackets = '[{'.repeat(200);
    for (const string of [
      brackets,
      `\\${brackets}`,
      `\\"${brackets}`,
      `"${brackets}`,
      `${brackets}\\`,
      '\\\\"',
    ])
      assert.equal(parse(JSON.stringify(string)), string);
    assert.deepEqual(parse(JSON.stringify({ [brackets]: ['\\', brackets, '"'] })), {
      [brackets]: ['\\', brackets, '"'],
    });
    assert.equal(parse(JSON.stringify(','.repeat(1_000_001))), ','.repeat(1_000_001));
  });

  it('has at most 100 objects and lists inside each other', () => {
    const nested = (depth: number): string => '{"a":['.repeat(depth / 2) + '"}"' + ']}'.repeat(depth / 2);
    assert.ok(parse(nested(100)));
    refused(
      () => parse(nested(102)),
      /^the body is no JSON: more than 100 objects and lists inside each other$/,
    );
    refused(() => parse('['.repeat(4_000_000)), /more than 100 objects and lists/);
    assert.deepEqual(parse(`[${'[{}],'.repeat(300)}[]]`), [...Array(300).fill([{}]), []]);
  });

  it('has at most a million values', () => {
    assert.equal((parse(`[${'1,'.repeat(999_998)}1]`) as unknown[]).length, 999_999);
    for (const item of ['1', '{}', '[]', '""'])
      refused(() => parse(`[${`${item},`.repeat(1_000_000)}1]`), /more than 1000000 values$/);
  });

  it('holds messages 100 deep, in lists too', () => {
    let tree: object = {};
    for (let depth = 0; depth < 100; depth++) tree = { children: [tree] };
    const text = JSON.stringify(tree);
    const json = parse(text, TYPED_LEVELS);
    assert.equal(JSON.stringify(schemaOf(Choices).toJson(schemaOf(Choices).fromJson(json))), text);
  });

  it('is refused where it is none, without the whole of it in the message', () => {
    for (const text of [
      '',
      '{',
      '[1,]',
      '"',
      '"\\',
      '{"a":1}}',
      'undefined',
      ']',
      `[${'x'.repeat(1_000_000)}`,
    ])
      assert.ok(refused(() => parse(text), /^the body is no JSON: /).message.length < 300);
    refused(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), FREE_LEVELS), /^the body is no JSON: /);
  });

  it('is written within the same bounds', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100; level++) deep = [deep];
    assert.equal(jsonText(deep, FREE_LEVELS), `${'['.repeat(100)}1${']'.repeat(100)}`);
    refused(() => jsonText([deep], FREE_LEVELS), /^the value is no JSON: more than 100 objects/);
    refused(() => jsonText(1n, FREE_LEVELS), /^the value is no JSON: /);
    refused(() => jsonText(undefined, FREE_LEVELS), /^the value is no JSON: it is undefined or a function$/);
  });
});
