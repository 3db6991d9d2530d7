import { CODES, OctavoError } from '../core/error.js';
import { codeOf, readGrpcMessage, writeGrpcMessage } from '../core/grpc-status.js';
import { readStatus, writeStatus } from './rpc-status.js';

/** Bytes that details may have: some peers take no more than 8 KiB of headers in all. */
const DETAILS_ROOM = 3_072;

/** What says that a call has ended in order. */
export const GRPC_OK: Readonly<Record<string, string>> = { 'grpc-status': '0' };

/** An error as the trailers of a gRPC call: `grpc-status`, `grpc-message` and `grpc-status-details-bin`. */
export function writeTrailers(error: OctavoError): Record<string, string> {
  const trailers: Record<string, string> = {
    'grpc-status': String(CODES[error.code].grpc),
    'grpc-message': writeGrpcMessage(error.message),
  };
  const details = writeStatus(error, DETAILS_ROOM);
  if (details !== undefined) trailers['grpc-status-details-bin'] = toBase64(details);
  return trailers;
}

/**
 * The error that trailers end a call with; `undefined` where it ended in order.
 *
 * @param remote who says so
 */
export function readTrailers(
  trailers: Readonly<Record<string, string | string[] | undefined>>,
  remote: string,
): OctavoError | undefined {
  const { 'grpc-status': status, 'grpc-message': said, 'grpc-status-details-bin': details } = trailers;
  if (status === '0') return undefined;
  if (typeof status !== 'string' || !/^\d{1,3}$/.test(status))
    return new OctavoError('unknown', `${remote} ended the call without a status of gRPC`);
  const code = codeOf(Number(status));
  const message = typeof said === 'string' ? readGrpcMessage(said) : '';
  const told = typeof details === 'string' ? quietlyRead(details) : undefined;
  // What contradicts the status is not believed.
  if (told?.code === code) return told;
  return new OctavoError(code, message || `${remote} ended the call with the status ${status}`);
}

/** Details that cannot be read say nothing; the status must. */
function quietlyRead(details: string): OctavoError | undefined {
  try {
    return readStatus(Buffer.from(details.split(',')[0] ?? '', 'base64'));
  } catch {
    return undefined;
  }
}

/** Without padding, as gRPC wants it. */
function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64').replace(/=+$/, '');
}
