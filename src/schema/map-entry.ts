import { Fault } from './fault.js';

// So few are quick to look through, even where all fall together.
const FEW_KEYS = 128;
const BUCKETS = 4_096;
const MOST_TOGETHER = 64;

/**
 * Sets an entry in a map that is filled with what a peer sent.
 *
 * V8 hashes strings with a secret, but numbers and bigints without: keys can be chosen that all fall into one bucket of a `Map`, and
 * 20,000 of them take seconds. Throws a `Fault` for keys that fall together far beyond chance.
 */
export function setEntry(map: Map<unknown, unknown>, key: unknown, value: unknown): void {
  const { size } = map;
  map.set(key, value);
  if (size < FEW_KEYS || map.size === size) return;
  if (typeof key === 'number' || typeof key === 'bigint') spreadOf(map).add(hashOf(key));
}

/** How the keys of one map are spread over the buckets of a small table. */
class Spread {
  readonly #counts = new Uint32Array(BUCKETS);
  #keys = 0;

  add(hash: number): void {
    const bucket = hash & (BUCKETS - 1);
    const together = (this.#counts[bucket] ?? 0) + 1;
    this.#counts[bucket] = together;
    this.#keys++;
    if (together > MOST_TOGETHER + (4 * this.#keys) / BUCKETS)
      throw new Fault(
        'its keys fall together in memory, as if they were chosen to; that would take too long',
      );
  }
}

const spreads = new WeakMap<Map<unknown, unknown>, Spread>();

function spreadOf(map: Map<unknown, unknown>): Spread {
  let spread = spreads.get(map);
  if (spread === undefined) {
    spread = new Spread();
    spreads.set(map, spread);
  }
  return spread;
}

const TWO_32 = 0x1_0000_0000;
const double = new DataView(new ArrayBuffer(8));

/** V8's hash of a key. Source: V8's ComputeUnseededHash, ComputeLongHash and Object::GetSimpleHash. */
function hashOf(key: number | bigint): number {
  if (typeof key === 'bigint') {
    const size = key < 0n ? -key : key;
    return hash64(Number(size >> 32n), Number(BigInt.asUintN(32, size)));
  }
  if (key === (key | 0)) return hash32(key);
  double.setFloat64(0, key);
  return hash64(double.getUint32(0), double.getUint32(4));
}

function hash32(key: number): number {
  let hash = ~key + (key << 15);
  hash ^= hash >>> 12;
  hash += hash << 2;
  hash ^= hash >>> 4;
  hash = Math.imul(hash, 2_057);
  return hash ^ (hash >>> 16);
}

function hash64(high: number, low: number): number {
  // ~x + (x << 18) is x * (2^18 - 1) - 1.
  let product = low * 0x3_ffff - 1;
  let [h, l] = [high * 0x3_ffff + Math.floor(product / TWO_32), product];
  l ^= (h << 1) | (l >>> 31);
  h ^= h >>> 31;
  product = (l >>> 0) * 21;
  [h, l] = [(h >>> 0) * 21 + Math.floor(product / TWO_32), product];
  l ^= (h << 21) | (l >>> 11);
  h ^= h >>> 11;
  // x + (x << 6)
  product = (l >>> 0) * 65;
  [h, l] = [(h >>> 0) * 65 + Math.floor(product / TWO_32), product];
  return l ^ ((h << 10) | (l >>> 22));
}
