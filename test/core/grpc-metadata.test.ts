import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { fromGrpc, toGrpc } from '../../src/core/grpc-metadata.js';
import { Metadata } from '../../src/core/metadata.js';

/** As HTTP/2 in Node hands it over: the values of one name in one. */
function joined(pairs: readonly (readonly [string, string | Buffer])[]): [string, string | Buffer][] {
  const text = new Metadata(pairs.filter(([name]) => !name.endsWith('-bin')) as [string, string][]);
  return [...Object.entries(text.toObject()), ...pairs.filter(([name]) => name.endsWith('-bin'))] as [
    string,
    string | Buffer,
  ][];
}

describe('metadata over gRPC', () => {
  it('is plain where it is plain', () => {
    assert.deepEqual(toGrpc(new Metadata({ 'Foo-Bar': 'a b, 50%' })), [['foo-bar', 'a b, 50%']]);
    assert.deepEqual([...fromGrpc([['foo-bar', 'a, b%20']])], [['foo-bar', 'a, b%20']]);
  });

  it('arrives as it was, whatever is in it', () => {
    const sent: [string, string][] = [
      ['plain', 'x'],
      ['text', 'é 日本 🎈'],
      ['blank', ' x '],
      ['empty', ''],
      ['tab', 'a\tb'],
      ['many', 'a, b'],
      ['many', '50%'],
      ['many', ''],
    ];
    const read = [...fromGrpc(joined(toGrpc(new Metadata(sent))))];
    // One name's values stay in order, whatever became of the names.
    const byName = (a: [string, string], b: [string, string]): number => a[0].localeCompare(b[0]);
    assert.deepEqual(read.sort(byName), sent.sort(byName));
  });

  it('has bytes under names that say so, joined ones apart', () => {
    const written = toGrpc(new Metadata([['raw-bin', 'AAr/, AQ==']]));
    assert.deepEqual(written, [
      ['raw-bin', Buffer.of(0, 10, 255)],
      ['raw-bin', Buffer.of(1)],
    ]);
    assert.deepEqual(
      [...fromGrpc(written)],
      [
        ['raw-bin', 'AAr/'],
        ['raw-bin', 'AQ=='],
      ],
    );
  });

  it('is read as it stands where the mark or the encoding is wrong', () => {
    const read = fromGrpc([
      ['octavo-text', 'a,,b, nobody'],
      ['a', '%zz'],
      ['b', '%C3'],
    ]);
    assert.deepEqual(
      [...read],
      [
        ['a', '%zz'],
        ['b', '%C3'],
      ],
    );
  });

  it('has none of the wire’s names', () => {
    const wire = ['grpc-status', 'content-type', 'user-agent', 'octavo-text', 'te', 'octavo'];
    assert.deepEqual([...fromGrpc(wire.map((name) => [name, 'x']))], []);
    for (const name of [...wire, 'a!b', ':path'])
      assert.throws(() => toGrpc(new Metadata([[name, 'x']])), OctavoError, name);
    assert.throws(() => toGrpc(new Metadata([['a', 'b\r\nc: d']])), OctavoError);
  });

  it('loses halves of characters, which no wire has', () => {
    assert.deepEqual([...fromGrpc(toGrpc(new Metadata([['half', 'a\ud800b']])))], [['half', 'a\ufffdb']]);
  });
});
