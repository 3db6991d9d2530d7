import type { Metadata } from './metadata.js';

/**
 * What a transport carries and a broker delivers: a header and bytes.
 *
 * The body may be a view of a larger buffer. Who keeps it past the current turn of the event loop may do so (no transport reuses a
 * region), who keeps a part of it copies that part.
 */
export interface Message {
  readonly header: Metadata;
  readonly body: Uint8Array;
  /** When the first of it came, in milliseconds since the epoch, where a transport knows: the time of a call counts from then. */
  readonly arrivedAt?: number;
}

/** A body of no bytes. */
export const EMPTY = new Uint8Array(0);
