import type { OutgoingHttpHeaders } from 'node:http';
import { OctavoError } from '../../core/error.js';
import { toGrpc } from '../../core/grpc-metadata.js';
import type { Metadata } from '../../core/metadata.js';
import { MESSAGE_LIMITS } from '../../transport/transport.js';

/** Before the name of each trailer of a call without streams, which has no other place for it. */
export const TRAILER = 'trailer-';

/** How long the header of a reply may be. */
export type HeaderLimits = Pick<typeof MESSAGE_LIMITS, 'maxHeaderBytes' | 'maxHeaders'>;

/**
 * Adds metadata to the headers of a reply.
 *
 * @throws `invalid_argument` for what metadata cannot be, `resource_exhausted` for more than there may be
 */
export function addMetadata(
  headers: OutgoingHttpHeaders,
  metadata: Metadata,
  limits: HeaderLimits,
  prefix = '',
): void {
  if (metadata.size === 0) return;
  checkSize(metadata, limits);
  for (const [name, value] of toGrpc(metadata)) {
    const text = typeof value === 'string' ? value : value.toString('base64');
    const there = headers[prefix + name];
    // Numbers are not among those that came from here.
    headers[prefix + name] = there === undefined ? text : [there as string | string[], text].flat();
  }
}

function checkSize(metadata: Metadata, { maxHeaders, maxHeaderBytes }: HeaderLimits): void {
  if (metadata.size > maxHeaders) throw tooMuch(`${metadata.size} headers`, `${maxHeaders} (maxHeaders)`);
  if (metadata.exceeds(maxHeaderBytes))
    throw tooMuch('the header', `${maxHeaderBytes} bytes (maxHeaderBytes)`);
}

function tooMuch(what: string, limit: string): OctavoError {
  return new OctavoError('resource_exhausted', `${what}: the limit is ${limit}`);
}
