import type { OutgoingHttpHeaders } from 'node:http2';
import { OctavoError } from '../../core/error.js';
import { fromGrpc, toGrpc } from '../../core/grpc-metadata.js';
import type { Metadata } from '../../core/metadata.js';
import type { MessageLimits } from '../../transport/transport.js';

/** Names that belong to HTTP/2, and to go-micro's dialect. */
const NOT_METADATA = /^:|^x-content-type$|^accept-encoding$/;

/** What a user sent, without the names of the wire. */
export function readMetadata(rawHeaders: readonly string[]): Metadata {
  const pairs: (readonly [string, string | Uint8Array])[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const value = rawHeaders[at + 1] ?? '';
    if (NOT_METADATA.test(name)) continue;
    if (!name.endsWith('-bin')) pairs.push([name, value]);
    // Who joins several values on the way divides them by commas.
    else for (const each of value.split(',')) pairs.push([name, Buffer.from(each.trim(), 'base64')]);
  }
  return fromGrpc(pairs);
}

/**
 * Metadata of a reply as headers.
 *
 * @throws `invalid_argument` for what gRPC cannot carry, `resource_exhausted` for too much of it
 */
export function writeMetadata(metadata: Metadata, limits: Required<MessageLimits>): OutgoingHttpHeaders {
  const { maxHeaders, maxHeaderBytes } = limits;
  if (metadata.size > maxHeaders || metadata.exceeds(maxHeaderBytes))
    throw new OctavoError(
      'resource_exhausted',
      `metadata of a reply is over ${maxHeaders} names (maxHeaders) or ${maxHeaderBytes} bytes (maxHeaderBytes)`,
    );
  const headers: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of toGrpc(metadata))
    (headers[name] ??= []).push(
      typeof value === 'string' ? value : value.toString('base64').replace(/=+$/, ''),
    );
  return headers;
}
