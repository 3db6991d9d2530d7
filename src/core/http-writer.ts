import { OctavoError } from './error.js';
import { isToken } from './http-head.js';
import type { Metadata } from './metadata.js';

/** How many strings of a header are remembered, names and values: those of calls of one endpoint begin with as many that are the same. */
const REMEMBERED = 10;
const NOTHING: readonly string[] = [];

/** Lines of a header, and whether they have nothing but ASCII. */
interface Lines {
  readonly text: string;
  readonly ascii: boolean;
}

/** Writes the messages of one connection, whose headers mostly begin as the one before. */
export class HttpWriter {
  #start = '';
  #startIsAscii = true;
  #pairs = NOTHING;
  #lines = '';

  /**
   * The bytes of one message. A length is always written, so that a body is never framed by the end of its connection.
   *
   * @throws `invalid_argument` for a header that would become another one, or that a reader refuses
   */
  write(start: string, { pairs }: Metadata, body: Uint8Array): Buffer {
    if (start !== this.#start) {
      this.#start = start;
      this.#startIsAscii = isAscii(start);
    }
    const known = this.#begin(pairs);
    const rest = linesOf(pairs, known, pairs.length);
    const begin = known === 0 ? '' : this.#lines;
    const text = `${start}\r\nContent-Length: ${body.length}\r\n${begin}${rest.text}\r\n`;
    return together(text, rest.ascii && this.#startIsAscii, body);
  }

  /** How many of the strings have the lines that are remembered. */
  #begin(pairs: readonly string[]): number {
    const known = this.#pairs;
    let same = 0;
    while (same < known.length && known[same] === pairs[same]) same++;
    if (same > 0 && same === known.length) return same;
    const begin = pairs.slice(0, REMEMBERED);
    const { text, ascii } = linesOf(begin, 0, begin.length);
    if (!ascii) return 0;
    this.#pairs = begin;
    this.#lines = text;
    return begin.length;
  }
}

/** As {@link HttpWriter.write}, once. @param extra lines that come before those of the header */
export function writeHttp(start: string, { pairs }: Metadata, body: Uint8Array, extra = ''): Buffer {
  const { text } = linesOf(pairs, 0, pairs.length);
  return together(`${start}\r\nContent-Length: ${body.length}\r\n${extra}${text}\r\n`, false, body);
}

function together(head: string, ascii: boolean, body: Uint8Array): Buffer {
  const length = ascii ? head.length : Buffer.byteLength(head);
  const bytes = Buffer.allocUnsafe(length + body.length);
  bytes.write(head, 0, ascii ? 'latin1' : 'utf8');
  bytes.set(body, length);
  return bytes;
}

function linesOf(pairs: readonly string[], from: number, to: number): Lines {
  let text = '';
  let ascii = true;
  for (let at = from; at < to; at += 2) {
    const name = pairs[at] ?? '';
    const value = pairs[at + 1] ?? '';
    if (!isToken(name))
      throw new OctavoError('invalid_argument', `${JSON.stringify(name)} is no name for a header`);
    if (!isPrintable(value)) {
      if (FORBIDDEN.test(value))
        throw new OctavoError(
          'invalid_argument',
          `the header ${name} has a line break, NUL or another control character in it`,
        );
      ascii = false;
    }
    text += `${name}: ${value}\r\n`;
  }
  return { text, ascii };
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7e) return false;
  return true;
}

/** Whether a text has nothing but printable ASCII. */
function isPrintable(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\0-\x08\n-\x1f\x7f]/;
