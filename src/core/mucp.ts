import { isReserved, Metadata } from './metadata.js';

/**
 * The names of go-micro's rpc protocol, mucp, and of Octavo's dialect on top of it. `docs/wire.md` has the whole.
 *
 * Source: go-micro v4.11 `server/rpc_codec.go`, `client/rpc_codec.go`.
 */
export const SERVICE = 'Micro-Service';
export const ENDPOINT = 'Micro-Endpoint';
export const METHOD = 'Micro-Method';
export const ID = 'Micro-Id';
export const STREAM = 'Micro-Stream';
export const ERROR = 'Micro-Error';
export const TOPIC = 'Micro-Topic';
export const CONTENT_TYPE = 'Content-Type';
/** Nanoseconds that are left, as a decimal number. */
export const TIMEOUT = 'Timeout';
/** What go-micro's client, and any of HTTP's, says it would read. */
export const ACCEPT = 'Accept';
/** The dialect's version, in the first message of either side: `1`. */
export const OCTAVO = 'Octavo';
/** What a message of a stream is, where it is no item: `open`, the server's greeting, or `beat`, a sign of life. */
export const FRAME = 'Octavo-Frame';
/** The {@link FRAME} of a server that will read nothing more on this connection; it belongs to no call and no stream. */
export const GOAWAY = 'goaway';
/** In a stream's opener and its greeting: after how many milliseconds of silence the sender takes the other end for dead. */
export const KEEPALIVE = 'Octavo-Keepalive';
/** In a stream's opener: its caller sends nothing before the greeting, the one request of a server stream neither. */
export const WAITS = 'Octavo-Waits';
/** Before the name of each trailer, in the last message of a reply. */
export const TRAILER = 'Octavo-Trailer-';
/** The value of {@link ERROR} that ends a stream in order. */
export const EOS = 'EOS';
/** The dialect that this version speaks. */
export const DIALECT = '1';

const NANOSECONDS = 1e6;
/** As many digits as the longest time of Go's, 292 years, has in nanoseconds. */
const MOST_DIGITS = 19;

/** Milliseconds as the `Timeout` header has them: whole ones, as fractions cost more to write than they are worth, or at least a nanosecond. */
export function writeTimeout(ms: number): string {
  return ms >= 1 ? `${Math.floor(ms)}000000` : String(Math.max(1, Math.round(ms * NANOSECONDS)));
}

/** Milliseconds of what a `Timeout` header has; `undefined` where there is none or it says nothing. */
export function readTimeout(text: string | undefined): number | undefined {
  if (text === undefined || text.length > MOST_DIGITS) return undefined;
  let nanoseconds = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    nanoseconds = nanoseconds * 10 + digit;
  }
  return nanoseconds > 0 ? nanoseconds / NANOSECONDS : undefined;
}

/** Milliseconds of the `Octavo-Keepalive` header; 0 where there is none or it says nothing. */
export function readKeepalive(header: Metadata): number {
  const text = header.get(KEEPALIVE);
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/** One of go-micro's headers, also under the `X-` that version 1 put before it. */
export function readMicro(header: Metadata, name: string): string | undefined {
  return header.get(name) ?? header.get(`X-${name}`);
}

/**
 * Whether a request is an Octavo peer's own. A handler on go-micro sends on what came with its call, this name too; but go-micro's client
 * always sends `Accept`, and Octavo's never does.
 */
export function isOctavoRequest(header: Metadata): boolean {
  return header.has(OCTAVO) && !header.has(ACCEPT);
}

/** Whether a reply is an Octavo peer's own. A go-micro server repeats the request's names in its replies: this one, but the endpoint too. */
export function isOctavoReply(header: Metadata): boolean {
  return header.has(OCTAVO) && !header.has(ENDPOINT);
}

/** What a user sent, without the names of the wire. */
export function userMetadata(header: Metadata): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of header) if (!isReserved(name)) metadata.append(name, value);
  return metadata;
}

/** The trailer that came in the last message of a reply. */
export function readTrailer(header: Metadata): Metadata {
  const trailer = new Metadata();
  const prefix = TRAILER.toLowerCase();
  for (const [name, value] of header)
    if (name.toLowerCase().startsWith(prefix)) trailer.append(name.slice(prefix.length), value);
  return trailer;
}
