import { CODES, type Code } from './error.js';

// Every code is in its own table.
const NAMES = new Map((Object.keys(CODES) as Code[]).map((name) => [String(CODES[name].grpc), name]));

/** Our name of one of gRPC's numbers; `unknown` for a number that is none. */
export function codeOf(grpc: number): Code {
  return NAMES.get(String(grpc)) ?? 'unknown';
}

/** Our name of what `grpc-status` says; `undefined` where it says nothing that is known. */
export function readCode(status: unknown): Code | undefined {
  return typeof status === 'string' ? NAMES.get(status) : undefined;
}

/** What an answer means that has an HTTP status and no status of gRPC. Source: grpc `doc/http-grpc-status-mapping.md`. */
export function codeOfHttp(status: number): Code {
  if (status === 400) return 'internal';
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'permission_denied';
  if (status === 404) return 'unimplemented';
  return [429, 502, 503, 504].includes(status) ? 'unavailable' : 'unknown';
}

/** How long a message may be as it travels, in bytes: some peers take no more than 8 KiB of headers in all. */
const MESSAGE_ROOM = 2_048;
/** All but printable ASCII, and what would be taken for an encoding. */
const ESCAPED = /[^ -$&-~]+/gu;

/** A text as `grpc-message` has it: percent-encoded but for printable ASCII, and cut where it is too long. */
export function writeGrpcMessage(text: string, room = MESSAGE_ROOM): string {
  // Halves of characters cannot be written.
  let whole = Buffer.from(text.slice(0, room)).toString();
  let written = whole.replaceAll(ESCAPED, encodeURIComponent);
  while (written.length > room) {
    whole = Buffer.from(whole.slice(0, whole.length / 2)).toString();
    written = whole.replaceAll(ESCAPED, encodeURIComponent);
  }
  return written;
}

/** The text of a `grpc-message`. What is wrongly encoded stays as it is, but for bytes that are no UTF-8. */
export function readGrpcMessage(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return Buffer.from(
      text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
      'latin1',
    ).toString();
  }
}
