import fc from 'fast-check';

/** Bytes of the longest input. */
const LONGEST = 64 * 1_024;

/** Values that parsers are wrong about: ends of ranges, signs, line breaks, quotes, DNS pointers. */
const BYTES = [0, 1, 9, 10, 13, 32, 34, 44, 48, 58, 0x5c, 0x7b, 0x7f, 0x80, 0xc0, 0xc3, 0xed, 0xfe, 0xff];

/** One accident. Places and counts are cut to what there is. */
interface Accident {
  readonly kind: (typeof KINDS)[number];
  readonly at: number;
  readonly count: number;
  readonly value: number;
}

const KINDS = [
  'flip',
  'set',
  'truncate',
  'drop',
  'repeat',
  'word',
  'word',
  'splice',
  'swap',
  'length',
  'digits',
  'noise',
] as const;

const accident: fc.Arbitrary<Accident> = fc.record({
  kind: fc.constantFrom(...KINDS),
  at: fc.oneof(fc.nat(64), fc.nat(LONGEST)),
  count: fc.oneof({ weight: 5, arbitrary: fc.nat(16) }, { weight: 1, arbitrary: fc.nat(2_000) }),
  value: fc.oneof(fc.constantFrom(...BYTES), fc.nat(255)),
});

const accidents = fc.oneof(fc.array(accident, { maxLength: 1 }), fc.array(accident, { maxLength: 6 }));

/**
 * Bytes that began as something valid and had accidents: flipped bits, cuts, repetitions, lengths that lie, pieces of another one.
 * Some have none.
 *
 * @param words what means something to the reader, put in at any place
 */
export function damaged(
  valid: fc.Arbitrary<Uint8Array>,
  words: readonly (string | Uint8Array)[],
): fc.Arbitrary<Buffer> {
  const vocabulary = words.map((word) => Buffer.from(word as string));
  return fc
    .tuple(valid, valid, accidents)
    .map(([bytes, other, all]) =>
      all.reduce<Buffer>(
        (sum, each) => happen(sum, each, other, vocabulary).subarray(0, LONGEST),
        Buffer.from(bytes),
      ),
    );
}

/** Text that had accidents; not always well-formed. */
export function damagedText(valid: fc.Arbitrary<string>, words: readonly string[]): fc.Arbitrary<string> {
  return damaged(
    valid.map((text) => Buffer.from(text)),
    words,
  ).map((bytes) => bytes.toString('utf8'));
}

function happen(
  bytes: Buffer,
  { kind, at: anywhere, count: some, value }: Accident,
  other: Uint8Array,
  words: readonly Buffer[],
): Buffer {
  const at = bytes.length === 0 ? 0 : anywhere % bytes.length;
  const end = Math.min(bytes.length, at + some);
  switch (kind) {
    case 'flip':
      return set(bytes, at, (bytes[at] ?? 0) ^ (1 << (value & 7)));
    case 'set':
      return set(bytes, at, value);
    case 'truncate':
      return bytes.subarray(0, at);
    case 'drop':
      return replaced(bytes, at, end);
    case 'repeat': {
      const piece = bytes.subarray(at, Math.min(bytes.length, at + (value % 32) + 1));
      return replaced(bytes, at, at, ...Array.from({ length: some }, () => piece));
    }
    case 'word':
      return replaced(bytes, at, value % 2 === 0 ? at : end, words[value % words.length] ?? Buffer.alloc(0));
    case 'splice':
      return replaced(bytes, at, bytes.length, other.subarray(some % (other.length + 1)));
    case 'swap': {
      const middle = at + Math.floor((end - at) / 2);
      return replaced(bytes, at, end, bytes.subarray(middle, end), bytes.subarray(at, middle));
    }
    case 'length': {
      // A number of one to four bytes, most of them big-endian, that says a little or a lot more or less than there is.
      const width = Math.min((value % 4) + 1, bytes.length - at);
      if (width < 1) return bytes;
      const copy = Buffer.from(bytes);
      const lie = value % 3 === 0 ? 2 ** (8 * width) - 1 - some : bytes.readUIntBE(at, width) + some - 8;
      copy.writeUIntBE(Math.min(Math.max(0, lie), 2 ** (8 * width) - 1), at, width);
      return copy;
    }
    case 'digits': {
      // The next number in the text.
      const text = bytes.toString('latin1');
      const found = /\d+/g;
      found.lastIndex = at;
      const match = found.exec(text);
      if (match === null) return bytes;
      const told = NUMBERS[value % NUMBERS.length] ?? String(Number(match[0]) + some - 8);
      return replaced(bytes, match.index, found.lastIndex, Buffer.from(told));
    }
    case 'noise':
      return replaced(
        bytes,
        at,
        at,
        Buffer.from(Array.from({ length: Math.min(some, 64) }, (_, n) => (value * (n + 1) * 31) & 255)),
      );
  }
}

const NUMBERS = [
  undefined,
  '0',
  '-1',
  '4294967296',
  '9007199254740993',
  '99999999999999999999',
  '1e999',
  '0x10',
  '00',
];

function set(bytes: Buffer, at: number, value: number): Buffer {
  if (bytes.length === 0) return bytes;
  const copy = Buffer.from(bytes);
  copy[at] = value;
  return copy;
}

function replaced(bytes: Buffer, from: number, to: number, ...pieces: readonly Uint8Array[]): Buffer {
  return Buffer.concat([bytes.subarray(0, from), ...pieces, bytes.subarray(to)]);
}
