import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metadata } from '../../src/core/metadata.js';
import { readHead } from '../../src/server/rpc/head.js';

const NAMES = {
  service: 'Micro-Service',
  endpoint: 'Micro-Endpoint',
  method: 'Micro-Method',
  contentType: 'Content-Type',
  stream: 'Micro-Stream',
  topic: 'Micro-Topic',
  error: 'Micro-Error',
  timeout: 'Timeout',
  accept: 'Accept',
  octavo: 'Octavo',
} as const;

describe('the head of a request', () => {
  it('is empty where the header says nothing', () => {
    const values = Object.values(readHead(new Metadata({ 'Micro-Id': '1', foo: 'bar' })));
    assert.deepEqual([...new Set(values)], [undefined]);
  });

  for (const [how, spell] of Object.entries({
    'as they are mostly spelled': (name: string) => name,
    'in small letters': (name: string) => name.toLowerCase(),
    'in capital letters': (name: string) => name.toUpperCase(),
  }))
    it(`has every name ${how}`, () => {
      const pairs = Object.entries(NAMES).map(([field, name]) => [spell(name), `<${field}>`] as const);
      const expected = Object.fromEntries(Object.keys(NAMES).map((field) => [field, `<${field}>`]));
      assert.deepEqual(Object.assign({}, readHead(new Metadata(pairs))), expected);
    });

  it('has what the first version of go-micro sent, where there is nothing newer', () => {
    const old = readHead(new Metadata({ 'X-Micro-Service': 'old', 'x-micro-endpoint': 'A.B' }));
    assert.deepEqual([old.service, old.endpoint], ['old', 'A.B']);
    const both = readHead(new Metadata({ 'X-Micro-Service': 'old', 'Micro-Service': 'new' }));
    assert.equal(both.service, 'new');
  });

  for (const name of Object.values(NAMES))
    it(`has all that comes under ${name}, joined`, () => {
      const twice = new Metadata([
        [name, 'a'],
        [name, 'b'],
      ]);
      assert.deepEqual(Object.values(readHead(twice)).filter(Boolean), ['a, b']);
    });
});
