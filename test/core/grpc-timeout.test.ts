import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readGrpcTimeout, writeGrpcTimeout } from '../../src/core/grpc-timeout.js';

describe('grpc-timeout', () => {
  it('is read in each of its units', () => {
    const read = ['2H', '3M', '4S', '5m', '6000u', '7000000n', '00000001m'].map(readGrpcTimeout);
    assert.deepEqual(read, [7_200_000, 180_000, 4_000, 5, 6, 7, 1]);
    assert.equal(readGrpcTimeout(undefined), undefined);
  });

  for (const text of ['', '1', 'm', '-1m', '1.5S', '123456789m', '1h', ' 1m', '1m '])
    it(`refuses "${text}"`, () => {
      assert.throws(() => readGrpcTimeout(text), { code: 'invalid_argument', executed: false });
    });

  for (const ms of [0.000_1, 0.5, 1, 1.2, 5_000, 99_999_999, 100_000_000, 86_400_000_000, 1e13])
    it(`is written for ${ms} ms so that no less is read, and little more`, () => {
      const read = readGrpcTimeout(writeGrpcTimeout(ms)) ?? 0;
      assert.ok(read >= ms && read <= ms * 1.01 + 1, String(read));
    });

  it('never waits for ever', () => {
    assert.deepEqual(
      [writeGrpcTimeout(0), writeGrpcTimeout(-5), writeGrpcTimeout(1e300)],
      ['1u', '1u', '99999999H'],
    );
  });
});
