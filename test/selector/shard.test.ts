import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HighwayHash, ZERO_KEY } from '../../src/core/highway-hash.js';
import { Metadata } from '../../src/core/metadata.js';
import { OctavoError } from '../../src/core/error.js';
import { CacheSelector } from '../../src/selector/cache.js';
import { Rendezvous, rendezvous } from '../../src/selector/rendezvous.js';
import { ShardSelector } from '../../src/selector/shard.js';
import { greeter, nodeOf, order, selecting, tally } from '../support/selecting.js';

/** What github.com/minio/highwayhash v1.0.2 gives for so many bytes 0, 7, 14, ... under a key of bytes 255, 252, 249, ... */
const GOLDENS: readonly (readonly [number, string, string])[] = [
  [0, '21b8c87ba5c8328a', 'e7f52b880550ef2f1e2cbf9577fab7f03c02f800f7c39f6ef67d30faf1ae6be2'],
  [1, 'd2ed86931d660412', '672c5cef5aeb8b7a672c1c4697072fb3ec9a2b8eb551926c290e9848fd05c342'],
  [2, '01faa4b98e218711', '6cadef85052894b1051f2026786cb56a7f0a0d1f72834e8dde433e6317c7a7bf'],
  [3, 'be7f078008c5bc38', '4340adda792a8e912ed7c9dd1d3d2966ae5394f5698ea2a38c2d1485964ac6e8'],
  [4, 'bc82496293777984', '654edf0e3d939606ba5abf95adbefb7616099ea6377b8cbd3e5956a55cf3a551'],
  [5, '26e67bb23c031d8b', '93da805b11461a7aa0933e40b3bff4e3e56fa64fbe7238c57dd6deda4c53be85'],
  [15, 'b880827035840581', 'f41fbb5eea3119200c217ad454a6cc60dde8e76e401a9a29f6f678653bd9fde7'],
  [16, 'bc30a62aac1bad07', '9eec61de987da2660485d9e09ad297fb5bf793457ca9681144f7168bf4701027'],
  [17, 'd40fef2b898a5e9b', 'b4172f9454a75f373919e384a60dabffdfe7b690b96645b01db529c6b5cae733'],
  [19, 'ddbb37b361a89404', '9e810a99fdc7c9f553caebe0f5eeb9a15f54b0d87e79a055816e5e22f0e39405'],
  [31, '20b51ee6b1510670', 'e6fd5c0f29d3c8d792b6efebd775cca6f6a46b78e625bc1e44d085e3e2bc6704'],
  [32, '88b9d568eaf28e68', 'd8e1acf5e3873bf3c0ec5615665de79c4ca18746337c483d2d96958da4602a27'],
  [33, '409a621880873eb4', '2738683591030f4cbf6f1cb4230ec9045db1f30d6e065eb7d8f26f550e37140f'],
  [44, '08fa7336b32cca6c', 'de1c242ffcaf82c5cac6a8fc27093c6a8934065fedac8cf42d42354cb00e698e'],
  [64, '7eb58b910241528f', '7d5e9ae505a67d768b96ceec8d3572decd9b7456a2261407175e964412081e5c'],
  [100, 'dbfcc48428fc2063', '7d9c28eff0f714f4707a16790f3492fa9ccd9d194ae66537f3eb9930ba4924a1'],
];

describe('HighwayHash', () => {
  it('gives what Go’s gives, for every form of the end', () => {
    const key = new Int32Array(8);
    const keyBytes = Buffer.from(Array.from({ length: 32 }, (_, at) => 255 - 3 * at));
    for (let at = 0; at < 8; at++) key[at] = keyBytes.readInt32LE(4 * at);
    const hash = new HighwayHash();
    for (const [length, bits64, bits256] of GOLDENS) {
      const bytes = Uint8Array.from({ length }, (_, at) => 7 * at);
      const [low, high] = hash.sum64(bytes, key);
      assert.equal(high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0'), bits64);
      const words = hash.sum256(bytes, key);
      assert.equal(Buffer.from(words.buffer).toString('hex'), bits256, String(length));
    }
    assert.deepEqual(
      [...ZERO_KEY],
      Array.from({ length: 8 }, () => 0),
    );
  });
});

const NODES = ['1', '2', '3'].map((id) => nodeOf(id));

async function cached(ids: readonly string[]): Promise<CacheSelector> {
  const parts = selecting();
  await parts.registry.register(greeter(ids.map((id) => nodeOf(id))));
  return new CacheSelector({}, parts);
}

describe('rendezvous', () => {
  it('chooses as go-micro’s shard strategy does', async () => {
    const first = async (keys: readonly string[], ids: readonly string[]): Promise<string | undefined> =>
      (await order(await cached(ids), 1, { strategy: rendezvous(...keys) }))[0];
    assert.equal(await first(['c'], ['1', '2']), '2');
    assert.equal(await first(['b'], ['1', '2', '3']), '3');
    const all = await cached(['1', '2', '3']);
    assert.deepEqual(await order(all, 3, { strategy: rendezvous('a', 'a') }), ['1', '2', '3']);
    assert.deepEqual(await order(all, 3, { strategy: rendezvous('b') }), ['3', '1', '2']);
  });
});

describe('ShardSelector', () => {
  const keyed = (key: string, name = 'shard-key'): { call: { metadata: Metadata } } => ({
    call: { metadata: new Metadata({ [name]: key }) },
  });

  it('chooses by the call’s key, as go-micro does', async () => {
    const parts = selecting();
    await parts.registry.register(greeter(NODES));
    const selector = new ShardSelector({}, parts);
    assert.deepEqual(await tally(selector, 20, keyed('b')), { 3: 20 });
    assert.deepEqual(await order(selector, 3, keyed('b')), ['3', '1', '2']);
    assert.deepEqual(await order(selector, 3, keyed('a:a')), ['1', '2', '3']);
  });

  it('moves the keys of a node that goes or cannot be reached, and no others', async () => {
    const parts = selecting();
    const nodes = Array.from({ length: 10 }, (_, at) => nodeOf(`node-${at}`));
    await parts.registry.register(greeter(nodes));
    const selector = new ShardSelector({}, parts);
    const keys = Array.from({ length: 500 }, (_, at) => `user-${at}`);
    const where = async (): Promise<string[]> => {
      const ids: string[] = [];
      for (const key of keys) ids.push((await selector.select('greeter', keyed(key)))().id);
      return ids;
    };
    const before = await where();
    // 50 are expected of each; the least of ten is hardly under 25.
    for (const { id } of nodes) assert.ok(before.filter((each) => each === id).length > 25, id);
    const [gone = assert.fail()] = nodes;
    selector.mark('greeter', gone, new OctavoError('unavailable', 'gone', { executed: false }));
    const without = await where();
    for (const [at, id] of before.entries())
      if (id === gone.id) assert.notEqual(without[at], id);
      else assert.equal(without[at], id);
    selector.reset('greeter');
    assert.deepEqual(await where(), before);
    await parts.registry.deregister(greeter([gone]));
    assert.deepEqual(await where(), without);
  });

  it('chooses the same for a long key, and for one of many', async () => {
    const parts = selecting();
    await parts.registry.register(greeter(NODES));
    const selector = new ShardSelector({}, parts);
    const long = keyed('x'.repeat(10_000));
    const [first] = await order(selector, 1, long);
    assert.deepEqual(await tally(selector, 3, long), { [first ?? '']: 3 });
    const hashing = new Rendezvous();
    const before = hashing.choose('b', NODES).id;
    for (let n = 0; n < 10_001; n++) hashing.choose(`key-${n}`, NODES);
    assert.equal(hashing.choose('b', NODES).id, before);
  });

  it('leaves calls without a key, and those with a strategy, to the strategy', async () => {
    const parts = selecting();
    await parts.registry.register(greeter(NODES));
    const selector = new ShardSelector(
      { key: 'user', strategy: (_, [first]) => first ?? assert.fail() },
      parts,
    );
    assert.deepEqual(await tally(selector, 5), { 1: 5 });
    assert.deepEqual(await tally(selector, 5, keyed('b')), { 1: 5 });
    assert.deepEqual(await tally(selector, 5, keyed('b', 'user')), { 3: 5 });
    const second = {
      ...keyed('b', 'user'),
      strategy: (_: string, nodes: readonly (typeof NODES)[0][]) => nodes[1] ?? assert.fail(),
    };
    assert.deepEqual(await tally(selector, 5, second), { 2: 5 });
  });
});
