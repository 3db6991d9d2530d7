import { mismatch } from './fault.js';

/** An integer that fits 32 bits with a sign, or a fault. */
export function asInt32(value: unknown): number {
  if (typeof value === 'number' && value === (value | 0)) return value;
  throw mismatch('a 32-bit integer', value);
}

/** An integer that fits 32 bits without a sign, or a fault. */
export function asUint32(value: unknown): number {
  if (typeof value === 'number' && value === value >>> 0) return value;
  throw mismatch('a 32-bit integer from 0', value);
}

/** A bigint or safe integer that fits 64 bits with a sign, or a fault. */
export function asInt64(value: unknown): bigint | number {
  if (typeof value === 'bigint') {
    if (value >= -0x8000_0000_0000_0000n && value <= 0x7fff_ffff_ffff_ffffn) return value;
  } else if (Number.isSafeInteger(value)) return value as number; // isSafeInteger is true of numbers only
  throw mismatch('a bigint (or a safe integer) of 64 bits', value);
}

/** A bigint or safe integer that fits 64 bits without a sign, or a fault. */
export function asUint64(value: unknown): bigint | number {
  if (typeof value === 'bigint') {
    if (value >= 0n && value <= 0xffff_ffff_ffff_ffffn) return value;
  } else if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw mismatch('a bigint (or a safe integer) of 64 bits from 0', value);
}

/** A number, or a fault. */
export function asDouble(value: unknown): number {
  if (typeof value === 'number') return value;
  throw mismatch('a number', value);
}

/** A number that JSON can hold, or a fault. */
export function asFinite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw mismatch('a number that JSON can hold', value);
}

/** A number that a float can hold, perhaps rounded, or a fault. */
export function asFloat(value: unknown): number {
  if (typeof value === 'number' && (Number.isFinite(Math.fround(value)) || !Number.isFinite(value)))
    return value;
  throw mismatch('a number within the range of a float', value);
}

/** A boolean, or a fault. */
export function asBool(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw mismatch('a boolean', value);
}

/** A string without lone surrogates, which have no UTF-8, or a fault. */
export function asText(value: unknown): string {
  if (typeof value !== 'string') throw mismatch('a string', value);
  if (isWellFormed.call(value)) return value;
  throw mismatch('a string without lone surrogates', value);
}

/** Bytes, or a fault. */
export function asBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw mismatch('a Uint8Array', value);
}

// In Node since version 20, in TypeScript's library from ES2024 on.
const { isWellFormed } = String.prototype as unknown as { isWellFormed: (this: string) => boolean };
