import { constants, type IncomingHttpHeaders } from 'node:http2';
import { OctavoError, type Code } from '../../core/error.js';
import { fromGrpc } from '../../core/grpc-metadata.js';
import { codeOf, codeOfHttp, readGrpcMessage } from '../../core/grpc-status.js';
import type { Metadata } from '../../core/metadata.js';
import { readError } from '../../core/wire-error.js';
import { readStatus } from '../../schema/rpc-status.js';

/** go-micro's own error among the details of a status. */
const GO_MICRO_ERROR = 'errors.Error';

/**
 * The error that a call has ended with; `undefined` for an end in order.
 *
 * @param headers those that have `grpc-status`
 * @param remote who says so
 */
export function readEnding(headers: IncomingHttpHeaders, remote: string): OctavoError | undefined {
  const status = headers['grpc-status'];
  if (status === '0') return undefined;
  if (typeof status !== 'string' || !/^\d{1,9}$/.test(status))
    return new OctavoError('unknown', `${remote} ended the call without a status of gRPC`);
  const code = codeOf(Number(status));
  const said = headers['grpc-message'];
  const message = typeof said === 'string' ? readGrpcMessage(said) : '';
  const text = message === '' ? `${remote} ended the call with the status ${status}` : message;
  const detailed = detailsOf(headers['grpc-status-details-bin']);
  // go-micro's errors say more than gRPC's codes, as theirs are those of HTTP.
  if (detailed?.details[0]?.type === GO_MICRO_ERROR || (detailed === undefined && isMicroError(message)))
    return readError(message);
  if (detailed?.code !== code) return new OctavoError(code, text);
  const { details, retryable, executed, id } = detailed;
  return new OctavoError(code, detailed.message === '' ? text : detailed.message, {
    details,
    retryable,
    ...(executed === false && { executed }),
    ...(id !== undefined && { id }),
  });
}

/**
 * What an answer that is none of gRPC's comes to: a proxy's, or an HTTP server's.
 *
 * Source: grpc `doc/http-grpc-status-mapping.md`.
 */
export function notGrpc(
  { ':status': status = 0, 'content-type': type = 'no content type' }: AnswerHeaders,
  remote: string,
): OctavoError {
  const what = `${remote} did not answer as gRPC does: with the HTTP status ${status} and ${type.slice(0, 100)}`;
  return new OctavoError(codeOfHttp(status), what);
}

/** The headers of an answer. */
export type AnswerHeaders = IncomingHttpHeaders & { readonly ':status'?: number };

const {
  NGHTTP2_CANCEL,
  NGHTTP2_ENHANCE_YOUR_CALM,
  NGHTTP2_INADEQUATE_SECURITY,
  NGHTTP2_REFUSED_STREAM,
  NGHTTP2_CONNECT_ERROR,
} = constants;

/** What a stream that the other end has reset comes to. Source: grpc.io `PROTOCOL-HTTP2.md`, Errors. */
export function resetBy(remote: string, code: number): OctavoError {
  const what = `${remote} cut the call off, with the code ${code} of HTTP/2`;
  return new OctavoError(codeOfReset(code), what);
}

function codeOfReset(code: number): Code {
  if (code === NGHTTP2_CANCEL) return 'cancelled';
  if (code === NGHTTP2_ENHANCE_YOUR_CALM) return 'resource_exhausted';
  if (code === NGHTTP2_INADEQUATE_SECURITY) return 'permission_denied';
  return code === NGHTTP2_REFUSED_STREAM || code === NGHTTP2_CONNECT_ERROR ? 'unavailable' : 'internal';
}

/** The metadata among headers or trailers: all that is neither HTTP's nor gRPC's own. */
export function metadataIn(headers: IncomingHttpHeaders): Metadata {
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || name === 'date') continue;
    if (typeof value === 'string') pairs.push([name, value]);
    else for (const each of value) pairs.push([name, each]);
  }
  return fromGrpc(pairs);
}

/** What is wrongly encoded says nothing. */
function detailsOf(header: string | string[] | undefined): OctavoError | undefined {
  if (typeof header !== 'string') return undefined;
  try {
    return readStatus(Buffer.from(header, 'base64'));
  } catch {
    return undefined;
  }
}

/** go-micro's servers of old put the text of an error into the message, and nothing beside it. */
function isMicroError(message: string): boolean {
  return message.startsWith('{"id":');
}
