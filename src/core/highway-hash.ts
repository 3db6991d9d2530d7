/**
 * HighwayHash, as it was frozen: 64 or 256 bits of bytes under a key of 256 bits. It holds its state between calls of one function only.
 *
 * Words of 64 bits are two of 32, the low one first. Source: github.com/google/highwayhash, `c/highwayhash.c`.
 */
export class HighwayHash {
  /** Four words each. */
  readonly #v0 = new Int32Array(8);
  readonly #v1 = new Int32Array(8);
  readonly #mul0 = new Int32Array(8);
  readonly #mul1 = new Int32Array(8);
  readonly #packet = new Uint8Array(32);
  readonly #lanes = new Int32Array(8);

  /** 64 bits: the low half and the high half, unsigned. */
  sum64(bytes: Uint8Array, key: Int32Array): readonly [low: number, high: number] {
    this.#absorb(bytes, key);
    for (let round = 0; round < 4; round++) this.#permute();
    const sum = new Int32Array(2);
    for (const part of [this.#v0, this.#v1, this.#mul0, this.#mul1])
      add(sum, 0, word(part, 0), word(part, 1));
    return [word(sum, 0) >>> 0, word(sum, 1) >>> 0];
  }

  /** 256 bits, which may be a key. */
  sum256(bytes: Uint8Array, key: Int32Array): Int32Array {
    this.#absorb(bytes, key);
    for (let round = 0; round < 10; round++) this.#permute();
    const hash = new Int32Array(8);
    for (const at of [0, 4]) {
      const [a0, a1, a2, a3] = [this.#sum0(at), this.#sum0(at + 2), this.#sum1(at), this.#sum1(at + 2)];
      reduce(hash, at, a0, a1, a2, a3);
    }
    return hash;
  }

  #absorb(bytes: Uint8Array, key: Int32Array): void {
    for (let at = 0; at < 8; at++) {
      this.#mul0[at] = word(INIT0, at);
      this.#mul1[at] = word(INIT1, at);
      this.#v0[at] = word(INIT0, at) ^ word(key, at);
      // The halves of each word of the key change places.
      this.#v1[at] = word(INIT1, at) ^ word(key, at ^ 1);
    }
    let at = 0;
    for (; at + 32 <= bytes.length; at += 32) {
      for (let to = 0; to < 32; to++) this.#packet[to] = byte(bytes, at + to);
      this.#absorbPacket();
    }
    if (at < bytes.length) this.#absorbRest(bytes, at, bytes.length - at);
  }

  /** @param size how many bytes there are from `from` on, under 32 */
  #absorbRest(bytes: Uint8Array, from: number, size: number): void {
    const packet = this.#packet.fill(0);
    for (let at = 0; at < 8; at += 2) {
      add(this.#v0, at, size, size);
      for (const half of [at, at + 1]) this.#v1[half] = rotate(word(this.#v1, half), size);
    }
    const whole = size & ~3;
    const rest = size & 3;
    for (let to = 0; to < whole; to++) packet[to] = byte(bytes, from + to);
    if ((size & 16) !== 0)
      for (let to = 0; to < 4; to++) packet[28 + to] = byte(bytes, from + whole + to + rest - 4);
    else if (rest > 0) {
      packet[16] = byte(bytes, from + whole);
      packet[17] = byte(bytes, from + whole + (rest >> 1));
      packet[18] = byte(bytes, from + whole + rest - 1);
    }
    this.#absorbPacket();
  }

  #absorbPacket(): void {
    const packet = this.#packet;
    for (let lane = 0, at = 0; lane < 8; lane++, at += 4)
      this.#lanes[lane] =
        byte(packet, at) |
        (byte(packet, at + 1) << 8) |
        (byte(packet, at + 2) << 16) |
        (byte(packet, at + 3) << 24);
    this.#update();
  }

  #permute(): void {
    const v0 = this.#v0;
    // Words change places by pairs, and so do the halves of each.
    for (let at = 0; at < 8; at++) this.#lanes[at] = word(v0, at ^ 1 ^ 4);
    this.#update();
  }

  #update(): void {
    const v0 = this.#v0;
    const v1 = this.#v1;
    const mul0 = this.#mul0;
    const mul1 = this.#mul1;
    const lanes = this.#lanes;
    for (let low = 0; low < 8; low += 2) {
      const high = low + 1;
      add(v1, low, word(mul0, low), word(mul0, high));
      add(v1, low, word(lanes, low), word(lanes, high));
      xorProduct(mul0, low, word(v1, low), word(v0, high));
      add(v0, low, word(mul1, low), word(mul1, high));
      xorProduct(mul1, low, word(v0, low), word(v1, high));
    }
    zipper(v1, v0, 0);
    zipper(v1, v0, 4);
    zipper(v0, v1, 0);
    zipper(v0, v1, 4);
  }

  #sum0(at: number): Int32Array {
    return sum(this.#v0, this.#mul0, at);
  }

  #sum1(at: number): Int32Array {
    return sum(this.#v1, this.#mul1, at);
  }
}

/** A key of 256 bits that is zero. */
export const ZERO_KEY = new Int32Array(8);

const INIT0 = Int32Array.of(
  ...[0xfe4cce2f, 0xdbe6d5d5, 0x299f31d0, 0xa4093822, 0x03707344, 0x13198a2e, 0x85a308d3, 0x243f6a88],
);
const INIT1 = Int32Array.of(
  ...[0xcb0ef593, 0x3bd39e10, 0xb5f18a8c, 0xc0acf169, 0x34e90c6c, 0xbe5466cf, 0x38d01377, 0x452821e6],
);

function rotate(half: number, by: number): number {
  return (half << by) | (half >>> (32 - by));
}

/** A half of a word, at a place that is there: nobody asks for another. */
function word(words: Int32Array, at: number): number {
  return words[at] as number;
}

/** A byte, at a place that is there. */
function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

/** Adds to the word at a place. */
function add(to: Int32Array, at: number, low: number, high: number): void {
  const sumLow = (word(to, at) >>> 0) + (low >>> 0);
  to[at] = sumLow;
  to[at + 1] = word(to, at + 1) + high + (sumLow > 0xffffffff ? 1 : 0);
}

function sum(a: Int32Array, b: Int32Array, at: number): Int32Array {
  const total = a.slice(at, at + 2);
  add(total, 0, word(b, at), word(b, at + 1));
  return total;
}

/** Puts the product of two halves to the word at a place, by exclusive or. */
function xorProduct(to: Int32Array, at: number, a: number, b: number): void {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = Math.imul(a0, b0) >>> 0;
  const middle = (Math.imul(a1, b0) >>> 0) + (low >>> 16);
  const cross = (Math.imul(a0, b1) >>> 0) + (middle & 0xffff);
  const high = (Math.imul(a1, b1) >>> 0) + (middle >>> 16) + (cross >>> 16);
  to[at] = word(to, at) ^ Math.imul(a, b);
  to[at + 1] = word(to, at + 1) ^ high;
}

/** Adds the bytes of two words of `from`, in another order, to the same two of `to`. */
function zipper(from: Int32Array, to: Int32Array, at: number): void {
  const low0 = word(from, at);
  const high0 = word(from, at + 1);
  const low1 = word(from, at + 2);
  const high1 = word(from, at + 3);
  // From its lowest byte on, the first gets: 3 of word 0, 4 of 1, 2 and 5 of 0, 6 of 1, 1 of 0, 7 of 1, 0 of 0.
  add(
    to,
    at,
    (low0 >>> 24) | ((high1 & 0xff) << 8) | (low0 & 0xff0000) | ((high0 & 0xff00) << 16),
    ((high1 >>> 16) & 0xff) | (low0 & 0xff00) | ((high1 >>> 24) << 16) | (low0 << 24),
  );
  // The second gets: 3 of word 1, 4 of 0, 2, 5 and 1 of 1, 6 of 0, 0 of 1, 7 of 0.
  add(
    to,
    at + 2,
    (low1 >>> 24) | ((high0 & 0xff) << 8) | (low1 & 0xff0000) | ((high1 & 0xff00) << 16),
    ((low1 >>> 8) & 0xff) | ((high0 >>> 8) & 0xff00) | ((low1 & 0xff) << 16) | (high0 & ~0xffffff),
  );
}

/** The remainder of four words as a polynomial. */
function reduce(
  to: Int32Array,
  at: number,
  a0: Int32Array,
  a1: Int32Array,
  a2: Int32Array,
  a3: Int32Array,
): void {
  const [low2 = 0, high2 = 0] = a2;
  const [low3 = 0, high3Unmasked = 0] = a3;
  const high3 = high3Unmasked & 0x3fffffff;
  to[at] = word(a0, 0) ^ (low2 << 1) ^ (low2 << 2);
  to[at + 1] = word(a0, 1) ^ ((high2 << 1) | (low2 >>> 31)) ^ ((high2 << 2) | (low2 >>> 30));
  to[at + 2] = word(a1, 0) ^ ((low3 << 1) | (high2 >>> 31)) ^ ((low3 << 2) | (high2 >>> 30));
  to[at + 3] = word(a1, 1) ^ ((high3 << 1) | (low3 >>> 31)) ^ ((high3 << 2) | (low3 >>> 30));
}
