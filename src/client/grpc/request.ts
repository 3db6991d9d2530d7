import type { OutgoingHttpHeaders } from 'node:http2';
import { GRPC_ENCODINGS, type GrpcEncoding } from '../../core/grpc-compression.js';
import { toGrpc } from '../../core/grpc-metadata.js';
import { writeGrpcTimeout } from '../../core/grpc-timeout.js';
import * as mucp from '../../core/mucp.js';
import type { ClientCall } from '../calling/client-call.js';
import { toGrpcType } from './content-type.js';

/** How another end wants to be spoken to: as gRPC has it, or go-micro. */
export type GrpcDialect = 'grpc' | 'go-micro';

/** To whom a call goes, and how. */
export interface Addressed {
  /** `host:port`. */
  readonly remote: string;
  readonly scheme: 'http' | 'https';
  readonly dialect: GrpcDialect;
  /** How its messages are packed, where they are. */
  readonly encoding: GrpcEncoding | undefined;
}

/**
 * The headers that open a call.
 *
 * Source: grpc.io `PROTOCOL-HTTP2.md`, Requests; go-micro plugins v4 `client/grpc`.
 *
 * @throws `invalid_argument` for metadata that gRPC cannot carry
 */
export function requestHeaders(
  call: ClientCall,
  { remote, scheme, dialect, encoding }: Addressed,
): OutgoingHttpHeaders {
  const { contentType, context } = call;
  const { deadline, knownMetadata } = context;
  const headers: OutgoingHttpHeaders = {
    ':method': 'POST',
    ':scheme': scheme,
    ':authority': remote,
    ':path': pathOf(call, dialect),
    te: 'trailers',
    'content-type': toGrpcType(contentType),
    'user-agent': 'octavo',
    'grpc-accept-encoding': GRPC_ENCODINGS,
    [mucp.OCTAVO.toLowerCase()]: mucp.DIALECT,
  };
  if (encoding !== undefined) headers['grpc-encoding'] = encoding;
  if (deadline !== undefined) headers['grpc-timeout'] = writeGrpcTimeout(context.remainingMs);
  if (dialect === 'go-micro') {
    headers['x-content-type'] = contentType;
    if (deadline !== undefined) headers['timeout'] = mucp.writeTimeout(context.remainingMs);
  }
  if (knownMetadata !== undefined && knownMetadata.size > 0)
    for (const [name, value] of toGrpc(knownMetadata)) append(headers, name, value);
  return headers;
}

/** `/greeter.Greeter/Hello`. Before the service is its proto package, where that is known, and for go-micro the service's name. */
function pathOf({ service, endpoint, method }: ClientCall, dialect: GrpcDialect): string {
  const dot = endpoint.indexOf('.');
  const scope = dialect === 'grpc' && method !== undefined ? method.package : service;
  return `/${scope}.${endpoint.slice(0, dot)}/${endpoint.slice(dot + 1)}`;
}

function append(headers: OutgoingHttpHeaders, name: string, value: string | Buffer): void {
  const text = typeof value === 'string' ? value : value.toString('base64');
  const there = headers[name];
  if (there === undefined) headers[name] = text;
  // Only this function puts lists there.
  else headers[name] = [...(Array.isArray(there) ? there : [String(there)]), text];
}
