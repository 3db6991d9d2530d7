import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { grpcEncoding, pack, unpack } from '../../src/core/grpc-compression.js';

describe('a packed message', () => {
  for (const [size, name] of [
    [0, 'nothing'],
    [100, 'a little'],
    [100_000, 'much'],
  ] as const)
    it(`is what it was, if it is ${name}`, async () => {
      const bytes = Buffer.alloc(size, 'octavo');
      assert.deepEqual(gunzipSync(await pack('gzip', bytes)), bytes);
      assert.deepEqual(inflateSync(await pack('deflate', bytes)), bytes);
      for (const encoding of ['gzip', 'deflate'] as const)
        assert.deepEqual(await unpack(encoding, await pack(encoding, bytes), size), bytes);
    });

  for (const size of [100_000, 10_000_000])
    it(`of ${size} bytes is refused where it unpacks to more than may be`, async () => {
      const packed = gzipSync(Buffer.alloc(size));
      await assert.rejects(async () => unpack('gzip', packed, size - 1), { code: 'resource_exhausted' });
    });

  it('that is none is refused', async () => {
    for (const size of [0, 10, 5_000])
      await assert.rejects(async () => unpack('gzip', Buffer.alloc(size, 7), 100), { code: 'internal' });
  });

  it('has a packing that is known', () => {
    assert.deepEqual([undefined, 'identity', 'gzip', 'deflate'].map(grpcEncoding), [
      undefined,
      undefined,
      'gzip',
      'deflate',
    ]);
    assert.throws(() => grpcEncoding('snappy'), { code: 'unimplemented', executed: false });
  });
});
