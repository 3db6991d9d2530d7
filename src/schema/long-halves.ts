// One 64-bit integer, as two halves, with and without a sign: to write it here and read it there costs a fifth of arithmetic on bigints.
const signed = new BigInt64Array(1);
const unsigned = new BigUint64Array(signed.buffer);

/** The two halves, without a sign, at {@link LOW} and {@link HIGH}. They hold until the next integer is put there. */
export const halves = new Uint32Array(signed.buffer);

signed[0] = 1n;
export const LOW = halves[0] === 1 ? 0 : 1;
export const HIGH = 1 - LOW;

const TWO_32 = 0x1_0000_0000;

/** The integer with a sign that the halves are. */
export function signedOf(low: number, high: number): bigint {
  halves[LOW] = low;
  halves[HIGH] = high;
  return signed[0] ?? 0n;
}

/** The integer without a sign that the halves are. */
export function unsignedOf(low: number, high: number): bigint {
  halves[LOW] = low;
  halves[HIGH] = high;
  return unsigned[0] ?? 0n;
}

/** Splits a bigint or safe integer with a sign. @returns whether it fits 64 bits */
export function splitSigned(value: unknown): boolean {
  if (typeof value !== 'bigint') return splitNumber(value);
  signed[0] = value;
  return signed[0] === value;
}

/** Splits a bigint or safe integer without a sign. @returns whether it fits 64 bits */
export function splitUnsigned(value: unknown): boolean {
  if (typeof value !== 'bigint') return splitNumber(value) && (value as number) >= 0; // only numbers are split
  unsigned[0] = value;
  return unsigned[0] === value;
}

function splitNumber(value: unknown): boolean {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return false;
  halves[LOW] = value;
  halves[HIGH] = Math.floor(value / TWO_32);
  return true;
}
