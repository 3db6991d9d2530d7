/** What ASN.1 calls the kinds of values, as DER has them in their first byte. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  bytes: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  time: 0x18,
} as const;

/** A value, of what it is made of. Source: X.690 section 8.1. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(TAG.sequence, ...parts);
}

/** A kind of thing by its number, as `2.5.29.17`, whose first arc is at most 2 and second at most 39. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  return der(TAG.oid, Buffer.from([first * 40 + second, ...others.flatMap(sevens)]));
}

/** Bits that fill whole bytes. */
export function bits(content: Uint8Array, unused = 0): Buffer {
  return der(TAG.bits, Buffer.of(unused), content);
}

/** A moment, to the second: two digits for the year before 2050, as RFC 5280 section 4.1.2.5 wants it. */
export function time(at: Date): Buffer {
  const digits = `${at.toISOString().slice(0, 19).replace(/\D/g, '')}Z`;
  const short = at.getUTCFullYear() < 2050;
  return der(short ? TAG.utcTime : TAG.time, Buffer.from(short ? digits.slice(2) : digits, 'latin1'));
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const digits = Buffer.from(length.toString(16).padStart(8, '0'), 'hex');
  const used = digits.subarray(digits.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.of(0x80 | used.length), used]);
}

/** A number in groups of seven bits, of which all but the last say that there is more. */
function sevens(number: number): readonly number[] {
  const groups = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) groups.unshift(0x80 | (rest & 0x7f));
  return groups;
}
