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

/** Whether a char code may stand in a header's name: RFC 9110 section 5.6.2. */
const TOKEN: readonly boolean[] = Array.from({ length: 256 }, (_, code) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)),
);

/**
 * Reads start line and header, up to and with the empty line behind them.
 *
 * Refused, as they are means of request smuggling: a bare LF, a folded header, white space before a colon, two lengths, a length
 * together with an encoding, encodings other than `chunked`. Source: RFC 9112.
 */
export function parseHead(bytes: Buffer, limits: HttpLimits): HttpHead {
  const text = bytes.toString('latin1');
  const startEnd = text.indexOf('\r\n');
  const start = text.slice(0, startEnd);
  const response = start.startsWith('HTTP/');
  if (!(response ? /^HTTP\/1\.[01] [1-5]\d\d(?: |$)/ : /^[A-Z]{1,16} [!-~]+ HTTP\/1\.[01]$/).test(start))
    throw malformed('it does not begin with an HTTP/1.1 start line');
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
  const last = framing.close || start.includes(' HTTP/1.0') || start.startsWith('HTTP/1.0');
  return { start, header, last, expects: framing.expects, length: framing.length(start, response) };
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
        if (this.#chunked || value.toLowerCase() !== 'chunked')
          throw malformed('the transfer encoding is not "chunked"');
        this.#chunked = true;
        return true;
      default:
        return false;
    }
  }

  length(start: string, response: boolean): number {
    if (this.#chunked && this.#length !== undefined)
      throw malformed('it has a content length and a transfer encoding');
    if (this.#chunked) return CHUNKED;
    if (this.#length !== undefined) return this.#length;
    return response && !/^\S+ (?:1\d\d|204|304)/.test(start) ? UNTIL_END : 0;
  }
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
