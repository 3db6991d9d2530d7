import { OctavoError } from '../../core/error.js';
import { Learned, LONGEST_LEARNED, NAMES, SPELLED_NAME } from './known-headers.js';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A length takes at most so many bytes. */
const LONGEST_VARINT = 4;

/** Reads the headers of one direction of a connection, and remembers what it is told to. */
export class HeaderReader {
  readonly #learned = new Learned();
  readonly #maxBytes: number;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  /** The bytes of the text that was read last. */
  #length = 0;

  constructor(maxHeaderBytes: number) {
    this.#maxBytes = maxHeaderBytes;
  }

  /** Where the last header, or the last number, ended. */
  get at(): number {
    return this.#at;
  }

  /** Reads from here on, up to `end`. */
  begin(bytes: Buffer, at: number, end: number): void {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Lets go of the bytes. */
  done(): void {
    this.#bytes = NOTHING;
  }

  number(): number {
    let value = 0;
    for (let groups = 0; groups < LONGEST_VARINT; groups++) {
      const byte = this.#byte();
      // Not by shifts, which are signed.
      value += (byte & 0x7f) * 2 ** (7 * groups);
      if (byte < 0x80) return value;
    }
    throw malformed('a number has too many bytes');
  }

  /**
   * So many pairs, as name, value, name, value, ...
   *
   * @throws `invalid_argument` for what is no header, `resource_exhausted` for one over the limit
   */
  pairs(count: number): string[] {
    const pairs: string[] = [];
    let size = 0;
    for (let left = count; left > 0; left--) {
      const first = this.#byte();
      if (first < 0xc0) {
        const index = first < 0x80 ? first : ((first & 0x3f) << 8) | this.#byte();
        const known = this.#learned.get(index);
        if (known === undefined) throw malformed(`there is no header of the number ${index}`);
        size += known.size;
        pairs.push(known.name, known.value);
      } else {
        const number = first & 0x1f;
        const name = number === SPELLED_NAME ? this.#name() : NAMES[number];
        if (name === undefined) throw malformed(`there is no name of the number ${number}`);
        const value = this.#text();
        const own = name.length + 4 + this.#length;
        size += own;
        if ((first & 0x20) !== 0) {
          if (own > LONGEST_LEARNED) throw malformed(`a header of ${own} bytes is too long to be learned`);
          this.#learned.add(name, value, own);
        }
        pairs.push(name, value);
      }
      if (size > this.#maxBytes)
        throw new OctavoError(
          'resource_exhausted',
          `a header is over the limit of ${this.#maxBytes} bytes (maxHeaderBytes)`,
        );
    }
    return pairs;
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at++] : undefined;
    if (byte === undefined) throw malformed('a header ends too soon');
    return byte;
  }

  #name(): string {
    const name = this.#text();
    if (!TOKEN.test(name)) throw malformed('a name has characters that no name may have');
    return name;
  }

  #text(): string {
    const length = this.number();
    const from = this.#at;
    const to = from + length;
    if (to > this.#end) throw malformed('a header ends too soon');
    let ascii = true;
    for (let at = from; at < to; at++) {
      const byte = this.#bytes[at] ?? 0;
      if (byte > 0x7e || byte < 0x20) {
        if (byte > 0x7f) ascii = false;
        else if (byte !== 9) throw malformed('a header has a control character');
      }
    }
    this.#at = to;
    this.#length = length;
    return this.#bytes.toString(ascii ? 'latin1' : 'utf8', from, to);
  }
}

const NOTHING = Buffer.alloc(0);

function malformed(what: string): OctavoError {
  return new OctavoError('invalid_argument', what);
}
