import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readEntries, writeEntry } from '../../../src/broker/redis-streams/entry.js';
import { Metadata } from '../../../src/core/metadata.js';
import { parseRedis } from '../../../src/core/redis-address.js';
import { damaged, damagedText } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const name = fc.oneof(fc.constantFrom('Foo', 'foo', 'Micro-Id', '__proto__', 'constructor'), text);
const header = fc.array(fc.tuple(name, text), { maxLength: 5 });

function headerOf(pairs: [string, string][]): Buffer {
  const [, json = ''] = writeEntry('topic', { header: new Metadata(pairs), body: Buffer.from('x') });
  return Buffer.from(json);
}

/** Headers of entries in a stream. */
export const redisEntries = target({
  name: 'redis-entries',
  inputs: damaged(header.map(headerOf), [
    'null',
    '{}',
    '[',
    '"a":1',
    '"\\ud800"',
    '"__proto__":{"a":"b"}',
    '[['.repeat(400),
  ]),
  read: (bytes) => {
    const fields = [Buffer.from('header'), bytes, Buffer.from('body'), Buffer.from('x')];
    return readEntries([[Buffer.from('1-0'), fields]]);
  },
  holds(output) {
    const [entry] = output;
    assert.ok(entry !== undefined);
    const { header: read, body } = entry.message;
    assert.equal(Buffer.from(body).toString(), 'x');
    const fields = writeEntry(read.get('Micro-Topic') ?? '', entry.message).map((each) => Buffer.from(each));
    const [again] = readEntries([[Buffer.from('1-0'), fields]]);
    assert.deepEqual(
      again?.message.header.toObject(),
      new Metadata(read).set('Micro-Topic', read.get('Micro-Topic') ?? '').toObject(),
    );
  },
});

/** Addresses of Redis servers, as a variable has them. */
export const redisAddresses = target({
  name: 'redis-addresses',
  inputs: damagedText(
    fc.constantFrom('127.0.0.1:6379', 'redis://ada:x@host:1/2', 'rediss://[::1]:6379', 'redis://:%40@host'),
    ['@', ':', '/', '[', ']', '%', '%zz', ' '],
  ),
  read: parseRedis,
  refuses: ['invalid_argument'],
  holds({ host, port }) {
    assert.notEqual(host, '');
    assert.ok(port >= 0 && port <= 65_535);
  },
});
