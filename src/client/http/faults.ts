import { OctavoError, RETRY_AFTER, type Code } from '../../core/error.js';
import { certificateRefused, tlsFault } from '../../core/tls-fault.js';
import type { ClientCall } from '../calling/client-call.js';
import type { Target } from './target.js';

/** `Retry-After` as a number of seconds; a date is not read. */
const SECONDS = /^\d{1,5}$/;
/** Characters that an error shows of an answer that nobody understands. */
const SHOWN = 200;

/** What an HTTP status says where nobody has said more. Source: connectrpc.com/docs/protocol, HTTP to Error Code. */
const BY_STATUS: Readonly<Record<number, Code>> = {
  400: 'internal',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'unimplemented',
  408: 'unavailable',
  413: 'resource_exhausted',
  415: 'internal',
  429: 'unavailable',
  431: 'resource_exhausted',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
  505: 'unimplemented',
};

/** The code that an HTTP status stands for. */
export function codeOfStatus(status: number): Code {
  return BY_STATUS[status] ?? 'unknown';
}

/** What a connection that broke, or could not be opened, means for a call. */
export function broken(
  shown: string,
  cause: NodeJS.ErrnoException | undefined,
  connected: boolean,
): OctavoError {
  const what = (cause && tlsFault(shown, cause)) ?? reason(shown, cause, connected);
  const unsent = !connected || (cause !== undefined && certificateRefused(cause));
  const code = cause?.code === 'HPE_HEADER_OVERFLOW' ? 'resource_exhausted' : 'unavailable';
  return new OctavoError(code, what, { cause, ...(unsent && { executed: false }) });
}

function reason(shown: string, cause: NodeJS.ErrnoException | undefined, connected: boolean): string {
  if (cause === undefined) return `${shown} closed the connection without an answer`;
  const { code = '', message } = cause;
  if (code === 'HPE_HEADER_OVERFLOW')
    return `${shown} answered with a header over the limit (maxHeaderBytes)`;
  if (code.startsWith('HPE_')) return `${shown} does not speak HTTP/1.1: ${message}`;
  const why = code === 'ECONNREFUSED' ? 'connection refused' : message;
  return connected
    ? `the connection to ${shown} broke: ${why}`
    : `cannot open a connection to ${shown}: ${why}`;
}

/** What is told of an answer that nobody understands. */
interface ForeignAnswer {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** When to come again, as proxies say it that are asked too often. */
  readonly retryAfter: string | undefined;
}

/** An answer that is none of the Connect protocol: who gave it is another server, or a proxy on the way. */
export function foreign(
  { shown }: Target,
  { endpoint }: ClientCall,
  status: number,
  { contentType, body, retryAfter = '' }: ForeignAnswer,
): OctavoError {
  const text = Buffer.from(body.subarray(0, SHOWN)).toString().replaceAll(/\s+/g, ' ').trim();
  const said = text === '' ? '' : `: ${text}`;
  const what = contentType === '' ? 'no content type' : `"${contentType.slice(0, SHOWN)}"`;
  // A status that says nothing is wrong is not one's fault either.
  const code = status === 200 ? 'internal' : codeOfStatus(status);
  return new OctavoError(
    code,
    `${shown} answered ${endpoint} with HTTP ${status} and ${what}, which is not the Connect protocol${said}`,
    {
      // A server that is about to close a connection says so, and did not take what crosses it: RFC 9110 section 15.5.9.
      ...(status === 408 && { executed: false }),
      ...(SECONDS.test(retryAfter) && { details: [{ type: RETRY_AFTER, ms: Number(retryAfter) * 1_000 }] }),
    },
  );
}
