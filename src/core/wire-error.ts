import { STATUS_CODES } from 'node:http';
import { CODES, OctavoError, type Code, type ErrorDetail } from './error.js';

/** Bytes of an error as it travels: in a header, and twice, as go-micro has it. Details that make it longer stay home, and then a long message is cut. */
const LONGEST = 16_384;
/** An `id` is cut to so many characters: it may be another server's. */
const LONGEST_ID = 256;

/** go-micro's codes, and HTTP's for errors of proxies on the way, as ours. Several of ours share one: the first is meant. */
const BY_MICRO: Readonly<Record<number, Code>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'unimplemented',
  408: 'deadline_exceeded',
  409: 'already_exists',
  412: 'failed_precondition',
  413: 'resource_exhausted',
  429: 'resource_exhausted',
  431: 'resource_exhausted',
  499: 'cancelled',
  500: 'internal',
  501: 'unimplemented',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
};

/** Our name for one of go-micro's codes, or for an HTTP status. */
export function codeOf(micro: number): Code {
  return BY_MICRO[micro] ?? 'unknown';
}

/**
 * An error as it travels in `Micro-Error`: go-micro's `{id, code, detail, status}`, and towards Octavo peers also `grpc` (the code's
 * name), `details` and `executed`.
 *
 * @param id who says so, where the error does not say it
 */
export function writeError(error: OctavoError, id: string, octavo: boolean): string {
  const { micro } = CODES[error.code];
  const text = {
    id: (error.id ?? id).slice(0, LONGEST_ID),
    code: micro,
    detail: error.message,
    status: STATUS_CODES[micro] ?? error.code,
  };
  if (!octavo) return fitting(json(text)) ?? json({ ...text, detail: cut(error.message) });
  const more = {
    ...text,
    grpc: error.code,
    ...(error.executed === false && { executed: false }),
    ...(error.retryable !== CODES[error.code].retryable && { retryable: error.retryable }),
  };
  return (
    fitting(withDetails(more, error.details)) ??
    fitting(json(more)) ??
    json({ ...more, detail: cut(error.message) })
  );
}

function fitting(text: string): string | undefined {
  return Buffer.byteLength(text) <= LONGEST ? text : undefined;
}

/** A unit takes six bytes at most, so that what is left fits. */
function cut(message: string): string {
  return message.slice(0, LONGEST / 8);
}

function withDetails(error: object, details: readonly ErrorDetail[]): string {
  if (details.length === 0) return json(error);
  try {
    return json({ ...error, details });
  } catch {
    // Details that hold themselves cannot travel; the error must.
    return json(error);
  }
}

/** Reads what {@link writeError} or a Go server wrote. Text that is no JSON is the message of an `unknown` error, as in go-micro. */
export function readError(text: string): OctavoError {
  const told = parse(text);
  if (told === undefined) return new OctavoError(codeOfText(text), text);
  const code = isCode(told['grpc'])
    ? told['grpc']
    : codeOf(typeof told['code'] === 'number' ? told['code'] : 0);
  const detail = typeof told['detail'] === 'string' ? told['detail'] : text;
  return new OctavoError(code, detail, {
    details: Array.isArray(told['details']) ? told['details'].filter(isDetail) : [],
    ...(told['executed'] === false && { executed: false }),
    ...(typeof told['retryable'] === 'boolean' && { retryable: told['retryable'] }),
    ...(typeof told['id'] === 'string' && told['id'] !== '' && { id: told['id'] }),
  });
}

/** What the router of a Go server says when it does not know an endpoint is plain text. */
function codeOfText(text: string): Code {
  return text.startsWith("rpc: can't find ") ? 'unimplemented' : 'unknown';
}

/** Bigints in details travel as text, as in ProtoJSON. DEL, which JSON leaves as it is, may not stand in a header. */
function json(value: object): string {
  const text = JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? String(member) : member,
  );
  return text.replaceAll('\x7f', String.raw`\u007f`);
}

function parse(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    // An object, as it begins with a brace.
    const told = JSON.parse(text) as Record<string, unknown>;
    return 'code' in told || 'detail' in told || 'id' in told ? told : undefined;
  } catch {
    return undefined;
  }
}

function isCode(name: unknown): name is Code {
  return typeof name === 'string' && Object.hasOwn(CODES, name);
}

function isDetail(detail: unknown): detail is ErrorDetail {
  return (
    typeof detail === 'object' && detail !== null && typeof (detail as { type?: unknown }).type === 'string'
  );
}
