import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { setEntry } from '../../src/schema/map-entry.js';
import { schemaOf } from '../../src/schema/schema.js';
import { refused } from './refused.js';
import { Maps } from './sample-messages.js';

/** V8's hashes as steps: times a number and less one, or xor with itself shifted. */
type Step = { readonly times: bigint; readonly less?: bigint } | { readonly shift: bigint };

const HASH_32: readonly Step[] = [
  { times: 2n ** 15n - 1n, less: 1n },
  { shift: 12n },
  { times: 5n },
  { shift: 4n },
  { times: 2_057n },
  { shift: 16n },
];
const HASH_64: readonly Step[] = [
  { times: 2n ** 18n - 1n, less: 1n },
  { shift: 31n },
  { times: 21n },
  { shift: 11n },
  { times: 65n },
  { shift: 22n },
];

/** The key that has a hash. */
function keyOf(hash: bigint, steps: readonly Step[], bits: number): bigint {
  let key = hash;
  for (const step of steps.toReversed())
    if ('shift' in step) {
      let undone = 0n;
      for (let part = key; part > 0n; part >>= step.shift) undone ^= part;
      key = undone;
    } else {
      let inverse = 1n;
      for (let round = 0; round < 6; round++)
        inverse = BigInt.asUintN(bits, inverse * (2n - step.times * inverse));
      key = BigInt.asUintN(bits, (key + (step.less ?? 0n)) * inverse);
    }
  return key;
}

/** Keys that all have the lower bits of their hashes in common. */
const colliding32 = Array.from({ length: 4_000 }, (_, at) =>
  Number(BigInt.asIntN(32, keyOf(BigInt(at) << 18n, HASH_32, 32))),
);
const colliding64 = Array.from({ length: 4_000 }, (_, at) => keyOf(BigInt(at) << 30n, HASH_64, 64));

function filled(keys: Iterable<unknown>): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (const key of keys) setEntry(map, key, 1);
  return map;
}

describe('keys of a map', () => {
  it('that were chosen to fall together are refused, in bytes and in JSON', () => {
    const { decode, encode, fromJson, toJson } = schemaOf(Maps);
    const maps: readonly Partial<Maps>[] = [
      { colors: new Map(colliding32.map((key) => [key, 0])) },
      { names: new Map(colliding64.map((key) => [BigInt.asIntN(64, key), ''])) },
      { spans: new Map(colliding64.map((key) => [key, { seconds: 0n, nanos: 0, toMs: () => 0 }])) },
    ];
    for (const map of maps) {
      const message = /^sample\.Maps\.\w+\["?-?\d+"?\]: its keys fall together in memory/;
      refused(() => decode(encode(map)), message);
      refused(() => fromJson(toJson(map)), message);
    }
  });

  it('that were chosen so are refused as numbers past 32 bits and as negative bigints, too', () => {
    assert.throws(() => filled(colliding64.map((key) => -key)), /fall together/);
    const view = new DataView(new ArrayBuffer(8));
    const doubles = colliding64.map((key) => {
      view.setBigUint64(0, key);
      return view.getFloat64(0);
    });
    assert.throws(() => filled(doubles), /fall together/);
  });

  it('that are few are taken as they are', () => {
    assert.equal(filled(colliding32.slice(0, 150)).size, 150);
    assert.equal(filled(colliding64.slice(0, 150)).size, 150);
  });

  it('may be given again and again', () => {
    const keys = Array.from({ length: 200 }, (_, at) => at);
    assert.equal(filled([...keys, ...Array.from({ length: 100_000 }, () => 7)]).size, 200);
  });

  const patterns: readonly (readonly [name: string, key: (at: number) => unknown])[] = [
    ['in a row', (at) => at],
    ['below zero', (at) => -at],
    ['multiples of 2^16', (at) => (at * 65_536) | 0],
    ['past 2^31', (at) => 2 ** 31 + at],
    ['bigints in a row', (at) => BigInt(at)],
    ['multiples of 2^40', (at) => BigInt(at) << 40n],
    ['of 2^22, as ids with a time in them', (at) => (BigInt(1_700_000_000_000 + at) << 22n) | 1n],
    ['times in nanoseconds', (at) => 1_700_000_000_000_000_000n + BigInt(at) * 1_000_000n],
    ['strings', (at) => String(at * 4_096)],
    ['all halves of a pair', (at) => (at % 2 === 0 ? BigInt(at) : -BigInt(at - 1))],
  ];
  for (const [name, key] of patterns)
    it(`that are ${name} are taken`, () => {
      const keys = Array.from({ length: 100_000 }, (_, at) => key(at));
      assert.equal(filled(keys).size, new Set(keys).size);
    });
});
