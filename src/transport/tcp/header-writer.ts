import { OctavoError } from '../../core/error.js';
import { writeVarint } from './frames.js';
import {
  CHANGING,
  Learned,
  LONGEST_LEARNED,
  NAMES,
  PAIRS,
  SPELLED_NAME,
  type KnownPair,
} from './known-headers.js';

/** Text of at most so many units is looked at and written unit by unit, which is quicker than asking Node. */
const SHORT = 48;
/** How many values that were seen once are remembered. */
const MOST_ONCE = 1_024;
/** How many headers are compared with those that stood at the same place before. */
const PLACES = 32;

/** Bytes that a header takes beside its text at most: what it is, and two lengths. */
const MOST_BESIDE = 9;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// What no header of any transport may hold.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\0-\x08\n-\x1f\x7f]/;

const NAME_NUMBERS: ReadonlyMap<string, number> = new Map(NAMES.map((name, number) => [name, number]));

/**
 * Writes headers for one direction of a connection: those that came before as a number of one or two bytes.
 *
 * First {@link measure}, which refuses and changes nothing, then {@link write} of the same pairs.
 */
export class HeaderWriter {
  readonly #known = new Map<string, Map<string, KnownPair>>();
  readonly #learned = new Learned((pair) => this.#forget(pair));
  /** The header at each place of the last message, since most messages are alike. */
  readonly #places: (KnownPair | undefined)[] = [];
  /** For each pair of the message that was measured: what is known of it, and the bytes of its value. */
  readonly #found: (KnownPair | undefined)[] = [];
  readonly #lengths: number[] = [];
  readonly #once = new Set<string>();
  #size = 0;

  constructor() {
    for (const pair of PAIRS) this.#remember(pair);
  }

  /** The bytes of the header that was measured, written as lines of `name: value`. */
  get size(): number {
    return this.#size;
  }

  /**
   * The bytes that these pairs take at most.
   *
   * @throws `invalid_argument` for what no header can hold
   */
  measure(pairs: readonly string[]): number {
    let size = 0;
    for (let at = 0, place = 0; at < pairs.length; at += 2, place++) {
      const name = pairs[at] ?? '';
      const value = pairs[at + 1] ?? '';
      const before = place < PLACES ? this.#places[place] : undefined;
      const same = before !== undefined && before.name === name && before.index >= 0;
      const known =
        same && (before.spelled >= 0 || before.value === value) ? before : this.#find(name, value);
      if (known !== undefined && known.spelled < 0) {
        size += known.size;
      } else {
        const length = textBytes(value);
        if (length < 0 || (known === undefined && !NAME_NUMBERS.has(name) && !TOKEN.test(name)))
          throw new OctavoError(
            'invalid_argument',
            `the header "${name}" has a character in its name or value that no header may have`,
          );
        this.#lengths[place] = length;
        size += name.length + length + 4;
      }
      this.#found[place] = known;
      if (place < PLACES && known !== undefined) this.#places[place] = known;
    }
    this.#size = size;
    return size + MOST_BESIDE * (pairs.length / 2);
  }

  /** Writes the pairs that were measured. Returns where they end. */
  write(pairs: readonly string[], out: Buffer, from: number): number {
    let to = from;
    for (let at = 0, place = 0; at < pairs.length; at += 2, place++) {
      const known = this.#found[place];
      // What was learned for this very message may have pushed it out.
      if (known === undefined || known.index < 0) {
        to = this.#spell(pairs[at] ?? '', pairs[at + 1] ?? '', place, out, to);
      } else if (known.spelled >= 0) {
        out[to] = 0xc0 | known.spelled;
        to = writeText(out, to + 1, pairs[at + 1] ?? '', this.#lengths[place] ?? 0);
      } else if (known.index < 0x80) out[to++] = known.index;
      else {
        out[to++] = 0x80 | (known.index >> 8);
        out[to++] = known.index & 0xff;
      }
    }
    return to;
  }

  /** Writes a header out, and learns it where it came before: what comes once is not worth it. */
  #spell(name: string, value: string, place: number, out: Buffer, from: number): number {
    const found = this.#found[place];
    const length = found === undefined ? (this.#lengths[place] ?? 0) : Buffer.byteLength(value);
    const size = name.length + length + 4;
    const learn = size <= LONGEST_LEARNED && this.#seen(value);
    const number = NAME_NUMBERS.get(name);
    out[from] = 0xc0 | (learn ? 0x20 : 0) | (number ?? SPELLED_NAME);
    const at = number === undefined ? writeText(out, from + 1, name, name.length) : from + 1;
    if (learn) this.#remember(this.#learned.add(name, value, size));
    return writeText(out, at, value, length);
  }

  #find(name: string, value: string): KnownPair | undefined {
    return CHANGING.get(name) ?? this.#known.get(name)?.get(value);
  }

  #seen(value: string): boolean {
    if (this.#once.has(value)) return true;
    if (this.#once.size >= MOST_ONCE) this.#once.clear();
    this.#once.add(value);
    return false;
  }

  #remember(pair: KnownPair): void {
    const values = this.#known.get(pair.name);
    if (values === undefined) this.#known.set(pair.name, new Map([[pair.value, pair]]));
    else values.set(pair.value, pair);
  }

  #forget(pair: KnownPair): void {
    const values = this.#known.get(pair.name);
    // The same header may have been learned twice.
    if (values?.get(pair.value) !== pair) return;
    values.delete(pair.value);
    if (values.size === 0) this.#known.delete(pair.name);
  }
}

/** The bytes of a text in UTF-8; negative where no header may hold it. */
function textBytes(text: string): number {
  if (text.length <= SHORT) {
    let at = 0;
    for (; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit > 0x7e || (unit < 0x20 && unit !== 9)) break;
    }
    if (at === text.length) return at;
  }
  return FORBIDDEN.test(text) ? -1 : Buffer.byteLength(text);
}

function writeText(out: Buffer, from: number, text: string, length: number): number {
  const at = writeVarint(out, from, length);
  if (length !== text.length) out.write(text, at, length, 'utf8');
  else if (length > SHORT) out.write(text, at, length, 'latin1');
  else for (let unit = 0; unit < length; unit++) out[at + unit] = text.charCodeAt(unit);
  return at + length;
}
