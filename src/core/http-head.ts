import { OctavoError } from './error.js';
import { Metadata, sameName } from './metadata.js';

export interface HttpLimits {
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}

/** What is known of a message whose head has arrived. */
export interface HttpHead {
  readonly start: string;
  readonly header: Metadata;
  readonly last: boolean;
  /** Whether the sender waits for leave to send the body. */
  readonly expects: boolean;
  /** Bytes of the body; {@link CHUNKED}, or {@link UNTIL_END} for a response that ends with its connection. */
  readonly length: number;
}

export const CHUNKED = -1;
export const UNTIL_END = -2;
export const CR = 13;
export const LF = 10;
const COLON = 58;
/** The first byte of TLS: a record of its handshake. */
const TLS = 22;

/** The start lines of nearly all messages. */
const USUAL = new Set(['POST / HTTP/1.1', 'HTTP/1.1 200 OK']);

/** Whether a char code may stand in a header's name: RFC 9110 section 5.6.2. */
const TOKEN: readonly boolean[] = Array.from({ length: 256 }, (_, code) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)),
);

/**
 * Looks at a head that is not all there, so that whoever speaks something else is told at once and not waited for.
 *
 * @param longest bytes of a start line that is looked at
 * @throws `invalid_argument` for what can become no start line
 */
export function checkStart(bytes: Buffer, longest: number): void {
  const first = bytes[0] ?? CR;
  if (first === TLS) throw malformed('it is TLS, and this port speaks without it');
  if (!isUpperCase(first) && first !== CR) throw malformed('it does not begin with an HTTP/1.1 start line');
  const end = bytes.indexOf(LF);
  if (end < 0 || end > longest) return;
  if (bytes[end - 1] !== CR) throw malformed('a line ends without CR');
  checkLine(bytes.toString('latin1', 0, end - 1));
}

const REQUEST = /^[A-Z]{1,16} [!-~]+ HTTP\/1\.[01]$/;
// oxlint-disable-next-line no-control-regex
const RESPONSE = /^HTTP\/1\.[01] [1-5]\d\d(?: [^\0-\x08\n-\x1f\x7f]*)?$/;

function checkLine(start: string): void {
  if (USUAL.has(start) || (start.startsWith('HTTP/') ? RESPONSE : REQUEST).test(start)) return;
  if (start === 'PRI * HTTP/2.0') throw malformed('it is HTTP/2, and this port speaks HTTP/1.1');
  throw malformed('it does not begin with an HTTP/1.1 start line');
}

/** Whether a text may be the name of a header. */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (TOKEN[text.charCodeAt(at)] !== true) return false;
  return text !== '';
}

/**
 * Reads start line and header, up to and with the empty line behind them, which ends at `headEnd`.
 *
 * Refused, as they are means of request smuggling: a bare LF, a folded header, white space before a colon, two lengths, a length
 * together with an encoding, encodings other than `chunked`, an encoding in HTTP/1.0. Source: RFC 9112.
 */
export function parseHead(bytes: Buffer, headEnd: number, limits: HttpLimits): HttpHead {
  const text = bytes.toString('latin1', 0, headEnd);
  const startEnd = text.indexOf('\r\n');
  const start = text.slice(0, startEnd);
  checkLine(start);
  const response = start.startsWith('HTTP/');
  const header = new Metadata();
  const framing = new Framing();
  const end = text.length - 2;
  let at = startEnd + 2;
  while (at < end) {
    const nameStart = at;
    while (TOKEN[text.charCodeAt(at)]) at++;
    if (at === nameStart || text.charCodeAt(at) !== COLON) throw malformed('a header has no plain name');
    const name = text.slice(nameStart, at);
    at = skipBlanks(text, at + 1);
    const valueStart = at;
    let ascii = true;
    for (let code = text.charCodeAt(at); code !== CR; code = text.charCodeAt(++at)) {
      if (code >= 128) ascii = false;
      else if ((code < 32 && code !== 9) || code === 127)
        throw malformed(`the header ${name} has a control character`);
    }
    if (text.charCodeAt(at + 1) !== LF) throw malformed(`the header ${name} has a control character`);
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
    const value = ascii ? text.slice(valueStart, valueEnd) : bytes.toString('utf8', valueStart, valueEnd);
    at += 2;
    if (!framing.take(name, value)) header.append(name, value);
    if (header.size > limits.maxHeaders)
      throw new OctavoError('resource_exhausted', `there are over ${limits.maxHeaders} headers (maxHeaders)`);
  }
  const old = response ? start.startsWith('HTTP/1.0') : start.endsWith(' HTTP/1.0');
  return {
    start,
    header,
    last: framing.close || old,
    expects: framing.expects,
    length: framing.length(start, response, old),
  };
}

/** Where the body ends, as the headers say: RFC 9112 section 6.3. */
class Framing {
  #length: number | undefined;
  #chunked = false;
  close = false;
  expects = false;

  /** Takes a header in if it frames the message. */
  take(name: string, value: string): boolean {
    switch (name.length) {
      case 6:
        if (!sameName(name, 'expect')) return false;
        this.expects = value.toLowerCase() === '100-continue';
        return true;
      case 10:
        if (sameName(name, 'keep-alive')) return true;
        if (!sameName(name, 'connection')) return false;
        this.close ||= /(?:^|,)\s*close\s*(?:,|$)/i.test(value);
        return true;
      case 14:
        if (!sameName(name, 'content-length')) return false;
        if (this.#length !== undefined) throw malformed('there are two content lengths');
        if (!/^\d{1,15}$/.test(value)) throw malformed('the content length is no number');
        this.#length = Number(value);
        return true;
      case 17:
        if (!sameName(name, 'transfer-encoding')) return false;
        // Not by toLowerCase, which makes an ASCII letter of the Kelvin sign.
        if (this.#chunked || !/^chunked$/i.test(value))
          throw malformed('the transfer encoding is not "chunked"');
        this.#chunked = true;
        return true;
      default:
        return false;
    }
  }

  length(start: string, response: boolean, old: boolean): number {
    if (this.#chunked && this.#length !== undefined)
      throw malformed('it has a content length and a transfer encoding');
    if (this.#chunked && old) throw malformed('it has a transfer encoding, which HTTP/1.0 has not');
    // Whatever they say of it.
    if (response && !start.endsWith(' 200 OK') && /^\S+ (?:1\d\d|204|304)/.test(start)) return 0;
    if (this.#chunked) return CHUNKED;
    return this.#length ?? (response ? UNTIL_END : 0);
  }
}

function isUpperCase(code: number): boolean {
  return code >= 65 && code <= 90;
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

function skipBlanks(text: string, at: number): number {
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** The error of what is no HTTP/1.1. */
export function malformed(what: string): OctavoError {
  return new OctavoError('invalid_argument', `malformed HTTP/1.1 message: ${what}`);
}
