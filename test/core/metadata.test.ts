import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { checkMetadata, Metadata } from '../../src/core/metadata.js';

describe('Metadata', () => {
  it('finds names whatever their case, and keeps the spelling they came with', () => {
    const metadata = new Metadata({ 'Foo-Bar': 'x' });
    assert.equal(metadata.get('foo-bar'), 'x');
    assert.equal(metadata.has('FOO-BAR'), true);
    assert.deepEqual([...metadata.set('fOO-bAR', 'y')], [['Foo-Bar', 'y']]);
  });

  it('keeps several values of a name, in order, and joins them where one is wanted', () => {
    const metadata = new Metadata([
      ['A', '1'],
      ['b', 'x'],
      ['a', '2'],
    ]);
    assert.deepEqual(metadata.getAll('a'), ['1', '2']);
    assert.equal(metadata.get('a'), '1, 2');
    assert.deepEqual({ ...metadata.toObject() }, { A: '1, 2', b: 'x' });
    assert.deepEqual([...metadata.set('A', '3')].length, 2);
    assert.deepEqual([...metadata.delete('a')], [['b', 'x']]);
    assert.equal(metadata.get('a'), undefined);
  });

  it('is made of pairs, an object, or another, of which it is a copy', () => {
    const first = new Metadata({ a: ['1', '2'], b: undefined });
    const second = new Metadata(first).set('a', '3');
    assert.deepEqual([first.getAll('a'), second.getAll('a')], [['1', '2'], ['3']]);
  });

  it('carries bytes under names that end in -bin, also when its values were joined', () => {
    const bytes = [Uint8Array.of(0, 255, 13, 10), Uint8Array.of(), Uint8Array.of(44)];
    const metadata = new Metadata({ 'Token-Bin': bytes }).append('other-bin', Uint8Array.of(1));
    assert.equal(metadata.get('other-bin'), 'AQ==');
    assert.deepEqual(metadata.getBytes('token-bin'), bytes);
    assert.deepEqual(new Metadata(metadata.toObject()).getBytes('token-bin'), bytes);
    assert.deepEqual(metadata.getBytes('nothing-bin'), []);
    assert.deepEqual(metadata.set('other-bin', Uint8Array.of(2)).getBytes('other-bin'), [Uint8Array.of(2)]);
    assert.throws(
      () => new Metadata({ token: Uint8Array.of(1) }),
      (error) => error instanceof OctavoError && /token-bin/.test(error.message),
    );
  });

  it('tells whether it takes more bytes than a limit, as lines in UTF-8', () => {
    const metadata = new Metadata({ Foo: 'bar', é: '日本' });
    const bytes = Buffer.byteLength('Foo: bar\r\né: 日本\r\n');
    assert.equal(metadata.exceeds(bytes), false);
    assert.equal(metadata.exceeds(bytes - 1), true);
    assert.equal(metadata.exceeds(1_000), false);
    assert.equal(new Metadata().exceeds(0), false);
  });

  it('sets, and takes away, every value of a name and no other’s', () => {
    const pairs = [
      ['a', '1'],
      ['A', '2'],
      ['b', '3'],
      ['a', '4'],
    ] as const;
    assert.deepEqual(
      [...new Metadata(pairs).set('A', 'x')],
      [
        ['a', 'x'],
        ['b', '3'],
      ],
    );
    assert.deepEqual([...new Metadata(pairs).delete('A')], [['b', '3']]);
    assert.equal(new Metadata(pairs).delete('c').size, 4);
  });

  it('is an object of its joined values in JSON', () => {
    const metadata = new Metadata([
      ['Set', '1'],
      ['set', '2'],
      ['empty', ''],
    ]);
    assert.equal(JSON.stringify(metadata), '{"Set":"1, 2","empty":""}');
  });

  it('takes names such as __proto__ for names', () => {
    const metadata = new Metadata([['__proto__', 'x']]);
    assert.equal(metadata.get('__proto__'), 'x');
    assert.deepEqual(Object.keys(metadata.toObject()), ['__proto__']);
  });

  for (const name of [
    'Timeout',
    'content-type',
    'Micro-Service',
    'grpc-status',
    'Grpc-Timeout',
    'x-micro-id',
    'Octavo',
    'octavo-frame',
    'Connection',
    '',
    'a b',
    'a:b',
    'é',
  ])
    it(`refuses ${JSON.stringify(name)} as a user’s name`, () => {
      assert.throws(() => checkMetadata(new Metadata([[name, 'x']])), OctavoError);
    });

  for (const value of ['a\rb', 'a\nb', 'a\0b', 'a\x1bb', 'a\x7fb'])
    it(`refuses the value ${JSON.stringify(value)}`, () => {
      assert.throws(() => checkMetadata(new Metadata([['a', value]])), OctavoError);
    });
});
