import { isUtf8 } from 'node:buffer';
import { invalidArgument } from '../../core/error.js';
import { MAX_ELEMENTS } from '../../schema/budget.js';

/**
 * Looks at all of one MessagePack value before anything is made of it, as five bytes can ask for gigabytes.
 *
 * Throws `invalid_argument` for bytes that are none or go on behind it, text that is no UTF-8, extension types, keys that are no text
 * or integer, more levels, or a million values. Source: github.com/msgpack/msgpack, `spec.md`.
 */
export function checkExtent(bytes: Uint8Array, levels: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** How many values each list or map that is open still wants; a map is marked by twice as many, and keys come first. */
  const open: Open[] = [{ left: 1, map: false }];
  let at = 0;
  let values = 0;
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    if (top.left === 0) {
      open.pop();
      continue;
    }
    const isKey = top.map && top.left % 2 === 0;
    top.left--;
    const token = tokenAt(view, at);
    if (isKey && !token.key) throw malformed('a key is neither text nor an integer');
    values += 1 + (token.items ?? 0);
    if (values > MAX_ELEMENTS) throw malformed(`more than ${MAX_ELEMENTS} values`);
    at += token.size;
    if (at > bytes.length) throw malformed('it ends too early');
    if (token.text > 0 && !isUtf8(bytes.subarray(at - token.text, at))) throw malformed('text is no UTF-8');
    if (token.items === undefined) continue;
    // The list around all is none of the value's.
    if (open.length > levels) throw malformed(`more than ${levels} lists and maps inside each other`);
    open.push({ left: token.items, map: token.map });
  }
  if (at < bytes.length) throw malformed(`${bytes.length - at} bytes are left behind it`);
}

interface Open {
  left: number;
  readonly map: boolean;
}

interface Token {
  /** Bytes of it, without those of its items. */
  readonly size: number;
  /** How many of those are text. */
  readonly text: number;
  /** How many values follow that are inside it; `undefined` where it holds none. */
  readonly items: number | undefined;
  readonly map: boolean;
  /** Whether it may be a key. */
  readonly key: boolean;
}

function tokenAt(view: DataView, at: number): Token {
  const type = number(view, at, 1);
  if (type < 0x80 || type >= 0xe0) return plain(1, true);
  if (type < 0x90) return holder(1, 2 * (type & 15), true);
  if (type < 0xa0) return holder(1, type & 15, false);
  if (type < 0xc0) return text(1, type & 31);
  if (type === 0xc0 || type === 0xc2 || type === 0xc3) return plain(1, false);
  const width = WIDTHS[type];
  if (width === undefined)
    throw malformed(type === 0xc1 ? 'the byte c1' : 'an extension type, which is not read');
  if (type >= 0xca && type <= 0xd3) return plain(1 + width, type >= 0xcc);
  const length = number(view, at + 1, width);
  if (type <= 0xc6) return plain(1 + width + length, false);
  if (type <= 0xdb) return text(1 + width, length);
  return type <= 0xdd ? holder(1 + width, length, false) : holder(1 + width, 2 * length, true);
}

/** Bytes of the number or the length behind each type that has one: bin, floats, integers, str, arrays, maps. */
const WIDTHS: Readonly<Record<number, number>> = {
  ...{ 0xc4: 1, 0xc5: 2, 0xc6: 4, 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8 },
  ...{ 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8, 0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xdd: 4, 0xde: 2, 0xdf: 4 },
};

function plain(size: number, key: boolean): Token {
  return { size, text: 0, items: undefined, map: false, key };
}

function text(head: number, length: number): Token {
  return { size: head + length, text: length, items: undefined, map: false, key: true };
}

function holder(size: number, items: number, map: boolean): Token {
  return { size, text: 0, items, map, key: false };
}

function number(view: DataView, at: number, width: number): number {
  if (at + width > view.byteLength) throw malformed('it ends too early');
  if (width === 1) return view.getUint8(at);
  return width === 2 ? view.getUint16(at) : view.getUint32(at);
}

function malformed(why: string): Error {
  return invalidArgument(`the body is no MessagePack: ${why}`);
}
