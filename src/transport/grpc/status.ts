import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { CODES, OctavoError } from '../../core/error.js';
import { readCode, readGrpcMessage, writeGrpcMessage } from '../../core/grpc-status.js';

/** How gRPC says that a stream has ended in order. */
export const OK: OutgoingHttpHeaders = { 'grpc-status': '0' };

/** Says beside gRPC's status that nothing of the stream reached a handler. */
const EXECUTED = 'octavo-executed';

/** An error as the end of a stream. */
export function writeStatus({ code, message, executed }: OctavoError): OutgoingHttpHeaders {
  return {
    'grpc-status': String(CODES[code].grpc),
    'grpc-message': writeGrpcMessage(message),
    ...(executed === false && { [EXECUTED]: 'false' }),
  };
}

/**
 * The error that a stream has ended with; `undefined` for an orderly end.
 *
 * @param remote who says so
 */
export function readStatus(headers: IncomingHttpHeaders, remote: string): OctavoError | undefined {
  const status = headers['grpc-status'];
  if (status === '0') return undefined;
  const said = headers['grpc-message'];
  const text = typeof said === 'string' ? readGrpcMessage(said) : '';
  const executed = headers[EXECUTED] === 'false' ? ({ executed: false } as const) : {};
  const code = readCode(status);
  if (code === undefined)
    return new OctavoError('unavailable', `${remote} ended the stream without a status of gRPC`);
  return new OctavoError(
    code,
    text === '' ? `${remote} ended the stream with the status ${String(status)}` : text,
    executed,
  );
}
