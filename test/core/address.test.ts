import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatAddress, isLoopback, isUnspecified, parseAddress } from '../../src/core/address.js';
import { OctavoError } from '../../src/core/error.js';

describe('an address', () => {
  const read: readonly (readonly [string, string, number])[] = [
    ['127.0.0.1:80', '127.0.0.1', 80],
    [':8080', '', 8080],
    ['[::1]:1', '::1', 1],
    ['host.example:65535', 'host.example', 65_535],
  ];
  for (const [text, host, port] of read)
    it(`reads ${text}, and writes it`, () => {
      assert.deepEqual(parseAddress(text), { host, port });
      assert.equal(formatAddress(host, port), text);
    });

  for (const text of [
    '',
    '80',
    'host',
    'host:',
    'host:x',
    'host:65536',
    '::1:80',
    'a:b:1',
    '[a\nb]:1',
    'a b:1',
  ])
    it(`refuses ${JSON.stringify(text)}, and names it`, () => {
      assert.throws(
        () => parseAddress(text),
        (error) => error instanceof OctavoError && error.message.includes(`"${text}"`),
      );
    });

  it('is loopback, or every interface, or neither', () => {
    assert.deepEqual(['127.0.0.1', '::1', 'localhost', '10.0.0.1', ''].map(isLoopback), [
      true,
      true,
      true,
      false,
      false,
    ]);
    const odd = ['127.0.0.53', 'LocalHost', '::ffff:127.0.0.1', '127.example.com', 'localhost.example', '::'];
    assert.deepEqual(odd.map(isLoopback), [true, true, true, false, false, false]);
    assert.deepEqual(['', '0.0.0.0', '::', '127.0.0.1'].map(isUnspecified), [true, true, true, false]);
  });
});
