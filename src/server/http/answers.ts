import type { OutgoingHttpHeaders } from 'node:http';
import { CODES, type OctavoError } from '../../core/error.js';
import { writeConnectError } from '../../schema/connect-error.js';
import type { Exchange } from './exchange.js';

/** Answers with an error as the Connect protocol has it for calls without streams: an HTTP status, and what went wrong as JSON. */
export function answerError(
  exchange: Exchange,
  error: OctavoError,
  headers: OutgoingHttpHeaders = {},
  status: number = CODES[error.code].http,
): void {
  const { retryAfterMs } = error;
  headers['content-type'] = 'application/json';
  if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1_000));
  exchange.respond(status, headers, Buffer.from(JSON.stringify(writeConnectError(error))));
}
