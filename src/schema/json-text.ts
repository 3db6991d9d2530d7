import { invalidArgument } from '../core/error.js';
import { MAX_ELEMENTS } from './budget.js';
import { MAX_DEPTH } from './fault.js';

/** How many objects and lists of JSON may be inside each other where no class says what they are. */
export const FREE_LEVELS = MAX_DEPTH;
/** The same where a class does: a message in a list in a message is two levels further in. */
export const TYPED_LEVELS = 2 * (MAX_DEPTH + 1);

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads JSON text.
 *
 * Throws `invalid_argument` for other text, and for more levels or a million values before anything is made of them: two
 * bytes of text can be a hundred of memory.
 */
export function parseJson(bytes: Uint8Array, levels: number): unknown {
  try {
    const text = UTF8.decode(bytes);
    checkExtent(text, levels);
    return JSON.parse(text);
  } catch (reason) {
    throw noJson('the body', reason);
  }
}

/** Writes JSON text. Throws `invalid_argument` for what has none, and for more levels. */
export function jsonText(value: unknown, levels: number): string {
  try {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError('it is undefined or a function');
    checkExtent(text, levels);
    return text;
  } catch (reason) {
    throw noJson('the value', reason);
  }
}

function noJson(what: string, reason: unknown): Error {
  // What the parser says may quote the whole text.
  const why = reason instanceof Error ? reason.message.slice(0, 200) : 'it cannot be read';
  return invalidArgument(`${what} is no JSON: ${why}`);
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
// [ and { have this bit pattern, ] and } the next one: 0x5b, 0x7b, 0x5d, 0x7d.
const OPENS = 0x5b;
const CLOSES = 0x5d;
const EITHER_CASE = ~0x20;

function checkExtent(text: string, levels: number): void {
  // So short, it cannot go beyond either.
  if (text.length <= levels) return;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (unit === COMMA) values++;
    else if (unit >= OPENS) {
      if ((unit & EITHER_CASE) === OPENS) {
        values++;
        if (++depth > levels) throw new RangeError(`more than ${levels} objects and lists inside each other`);
      } else if ((unit & EITHER_CASE) === CLOSES) depth--;
    }
  }
  if (values > MAX_ELEMENTS) throw new RangeError(`more than ${MAX_ELEMENTS} values`);
}

/** Where the string ends that begins at `start`; the end of the text where it does not. */
function endOfString(text: string, start: number): number {
  for (let at = start; ;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at;
  }
}
