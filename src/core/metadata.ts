import { OctavoError } from './error.js';

/** Text, or bytes under a name that ends in `-bin`. */
export type MetadataValue = string | Uint8Array;

/** What metadata can be made from: pairs, an object, or other metadata. */
export type MetadataInit =
  | Metadata
  | Iterable<readonly [string, MetadataValue]>
  | Readonly<Record<string, MetadataValue | readonly MetadataValue[] | undefined>>;

/** The pairs of metadata that has none. One list for all: V8 takes a list for long-lived of which each call makes several, and all are in use when it looks. */
const NOTHING: string[] = [];
Object.freeze(NOTHING);

/**
 * Names and values that travel beside a body: HTTP headers, in every transport's clothes.
 *
 * Names are case-insensitive and keep the spelling they were first given. A name may have several values, in order; where a wire
 * holds one value for each name they are joined by `", "`. Lookup walks the list, since headers are few and mostly read once.
 *
 * Bytes go under names that end in `-bin` and travel as base64, as in gRPC: given as bytes, read by {@link Metadata.getBytes}.
 */
export class Metadata implements Iterable<[string, string]> {
  /** Name, value, name, value, ... in the order of arrival. */
  #pairs = NOTHING;

  constructor(init?: MetadataInit) {
    if (init === undefined) return;
    if (init instanceof Metadata) this.#pairs = init.#pairs === NOTHING ? NOTHING : init.#pairs.slice();
    else if (isPairs(init)) for (const [name, value] of init) this.append(name, value);
    else
      for (const [name, value] of Object.entries(init)) {
        if (typeof value === 'string' || value instanceof Uint8Array) this.append(name, value);
        else for (const one of value ?? []) this.append(name, one);
      }
  }

  /** Metadata of a list as {@link pairs} gives it, which belongs to it from now on: for transports, which make one for each message. */
  static of(pairs: string[]): Metadata {
    const metadata = new Metadata();
    metadata.#pairs = pairs;
    return metadata;
  }

  /** Name, value, name, value, ... in the order of arrival, as they are kept: for transports, which read them with each message. */
  get pairs(): readonly string[] {
    return this.#pairs;
  }

  /** How many pairs there are. */
  get size(): number {
    return this.#pairs.length / 2;
  }

  /** Whether it takes more bytes than these, written as lines of `name: value` in UTF-8. */
  exceeds(bytes: number): boolean {
    const separators = 2 * this.#pairs.length;
    let units = separators;
    for (const text of this.#pairs) units += text.length;
    // One unit of a string takes three bytes at most, so that the bytes are rarely counted.
    if (3 * units <= bytes) return false;
    return this.#pairs.reduce((sum, text) => sum + Buffer.byteLength(text), separators) > bytes;
  }

  /** All values of a name joined by `", "`, or `undefined`. */
  get(name: string): string | undefined {
    const at = this.#find(name, 0);
    if (at < 0) return undefined;
    let value = this.#pairs[at + 1];
    for (let more = this.#find(name, at + 2); more >= 0; more = this.#find(name, more + 2))
      value += `, ${this.#pairs[more + 1]}`;
    return value;
  }

  /** Each value of a name, in order of arrival. */
  getAll(name: string): string[] {
    const values: string[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 2))
      values.push(this.#pairs[at + 1] ?? '');
    return values;
  }

  /** The bytes of each value of a name, in order of arrival. What is no base64 is left out of them. */
  getBytes(name: string): Uint8Array[] {
    // Those that were joined for a wire with one value for each name come apart again.
    return this.getAll(name).flatMap((value) =>
      value.split(',').map((each) => Uint8Array.from(Buffer.from(each, 'base64'))),
    );
  }

  has(name: string): boolean {
    return this.#find(name, 0) >= 0;
  }

  /** Adds a value and keeps those that are there. Text is not checked: see {@link checkMetadata}. */
  append(name: string, value: MetadataValue): this {
    const text = typeof value === 'string' ? value : base64(name, value);
    if (this.#pairs === NOTHING) this.#pairs = [name, text];
    else this.#pairs.push(name, text);
    return this;
  }

  /** Puts one value in the place of all that are there. */
  set(name: string, value: MetadataValue): this {
    const at = this.#find(name, 0);
    if (at < 0) return this.append(name, value);
    this.#pairs[at + 1] = typeof value === 'string' ? value : base64(name, value);
    this.#removeFrom(at + 2, name);
    return this;
  }

  /** Takes a name away, with every value. */
  delete(name: string): this {
    this.#removeFrom(0, name);
    return this;
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let at = 0; at < this.#pairs.length; at += 2)
      yield [this.#pairs[at] ?? '', this.#pairs[at + 1] ?? ''];
  }

  /** One value for each name, several joined by `", "`; names as first spelled. */
  toObject(): Record<string, string> {
    const object: Record<string, string> = Object.create(null) as Record<string, string>;
    const spelled = new Map<string, string>();
    for (const [name, value] of this) {
      const lower = name.toLowerCase();
      const first = spelled.get(lower);
      spelled.set(lower, first ?? name);
      object[first ?? name] = first === undefined ? value : `${object[first]}, ${value}`;
    }
    return object;
  }

  /** Its text, for logs and snapshots. */
  toJSON(): Record<string, string> {
    return { ...this.toObject() };
  }

  #find(name: string, from: number): number {
    const pairs = this.#pairs;
    for (let at = from; at < pairs.length; at += 2) if (sameName(pairs[at] ?? '', name)) return at;
    return -1;
  }

  #removeFrom(from: number, name: string): void {
    for (let at = this.#find(name, from); at >= 0; at = this.#find(name, at)) this.#pairs.splice(at, 2);
  }
}

function base64(name: string, bytes: Uint8Array): string {
  if (name.toLowerCase().endsWith('-bin')) return Buffer.from(bytes).toString('base64');
  throw new OctavoError(
    'invalid_argument',
    `metadata "${name}" has bytes in its value: name it "${name}-bin"`,
  );
}

/** Whether these spell one name: HTTP compares header names without regard to case. */
export function sameName(a: string, b: string): boolean {
  if (a === b) return true;
  const last = a.length - 1;
  if (last !== b.length - 1 || (a.charCodeAt(last) | LOWER) !== (b.charCodeAt(last) | LOWER)) return false;
  return a.toLowerCase() === b.toLowerCase();
}

/** What a capital letter of ASCII lacks to be a small one. */
const LOWER = 0x20;

const RESERVED = new Set(
  `timeout content-type content-length content-encoding transfer-encoding accept host connection keep-alive proxy-connection te
  trailer upgrade expect user-agent octavo`.split(/\s+/),
);

/** Whether a name belongs to the wire, so that it is neither a user's to set nor shown to one. */
export function isReserved(name: string): boolean {
  const lower = name.toLowerCase();
  return (
    RESERVED.has(lower) ||
    lower.startsWith('micro-') ||
    lower.startsWith('x-micro-') ||
    lower.startsWith('octavo-') ||
    lower.startsWith('grpc-')
  );
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// Control characters would end the header at the other side, or have it refused there. Tabs are none in a header.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\0-\x08\n-\x1f\x7f]/;

/**
 * Checks what a user wants to send.
 *
 * @throws `invalid_argument` for a reserved name, a name that is no HTTP token, or a value with CR, LF, NUL or another control character
 */
export function checkMetadata(metadata: Metadata): Metadata {
  for (const [name, value] of metadata) {
    if (!TOKEN.test(name))
      throw new OctavoError(
        'invalid_argument',
        `"${name}" is no name for metadata: use letters, digits and "-"`,
      );
    if (isReserved(name))
      throw new OctavoError(
        'invalid_argument',
        `metadata "${name}" is reserved for the wire: use another name`,
      );
    if (FORBIDDEN.test(value))
      throw new OctavoError(
        'invalid_argument',
        `metadata "${name}" has a line break, NUL or another control character in its value`,
      );
  }
  return metadata;
}

function isPairs(init: MetadataInit): init is Iterable<readonly [string, MetadataValue]> {
  return Symbol.iterator in init;
}
