import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { parseRedis, shownRedis } from '../../src/core/redis-address.js';

describe('the address of a Redis server', () => {
  for (const [address, means] of [
    ['127.0.0.1:6380', { host: '127.0.0.1', port: 6380, tls: false }],
    [' redis.example ', { host: 'redis.example', port: 6379, tls: false }],
    ['[::1]:7000', { host: '::1', port: 7000, tls: false }],
    ['redis://redis.example/3', { host: 'redis.example', port: 6379, tls: false, db: 3 }],
    ['redis://secret@h', { host: 'h', port: 6379, tls: false, pass: 'secret' }],
    ['redis://:secret@h:1', { host: 'h', port: 1, tls: false, pass: 'secret' }],
    ['rediss://ada:a%40%3A%2F@h:1/', { host: 'h', port: 1, tls: true, user: 'ada', pass: 'a@:/' }],
  ] as const)
    it(`may be ${address}`, () => assert.deepEqual(parseRedis(address), means));

  for (const address of [
    '',
    'redis://',
    'http://h',
    'h:1:2',
    'h:99999',
    'redis://ada:hunter2@h h',
    'redis://ada:hunter2%zz@h',
  ])
    it(`is not "${address}", and the error shows no secret`, () =>
      assert.throws(
        () => parseRedis(address),
        (reason) =>
          reason instanceof OctavoError &&
          reason.code === 'invalid_argument' &&
          !reason.message.includes('hunter2'),
      ));

  it('is shown without what is secret', () => {
    assert.equal(shownRedis(parseRedis('redis://ada:hunter2@h:1/2')), 'h:1');
    assert.equal(shownRedis(parseRedis('[::1]')), '[::1]:6379');
  });
});
