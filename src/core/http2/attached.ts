import type { Http2Stream } from 'node:http2';

/** What has a stream of HTTP/2, and is told what happens on it. */
export interface Attached {
  readonly session: {
    /** Has {@link Attached.gone} called, by and by. */
    later(gone: Attached): void;
  };
  /** Bytes have come, or the other end's last. Returns whether to go on. */
  pushed(chunk: Buffer | null): boolean;
  /** All that came is read. */
  endReached(): void;
  /** HTTP/2 has forgotten the stream. */
  gone(): void;
}

const ATTACHED = Symbol('attached');

interface Taken extends Http2Stream {
  [ATTACHED]: Attached;
}

/** Puts it on a stream. One listener of each kind serves all streams, as making them for each costs more than what they do. */
export function attach(stream: Http2Stream, attached: Attached): void {
  // From here on it is one.
  (stream as Taken)[ATTACHED] = attached;
  // Node's own queue would keep a buffer for each frame, of which one may hold a byte: here they are put together. It asks for no more
  // once this says no, and hands on what comes all the same, up to the window.
  stream.push = pushed;
  stream.on('end', ended);
  stream.on('error', ignore);
  stream.on('close', closed);
}

/** What was put on a stream, for whoever listens for more. */
export function attachedTo(stream: Http2Stream): Attached {
  return (stream as Taken)[ATTACHED];
}

function pushed(this: Http2Stream, chunk: Buffer | null): boolean {
  return attachedTo(this).pushed(chunk);
}

function ended(this: Http2Stream): void {
  attachedTo(this).endReached();
}

function ignore(): void {
  // Whoever closes it says why.
}

/**
 * Node calls this from within nghttp2, which must not be asked to send anything then: it would loop for ever if the other end has cut the
 * stream, as Node has forgotten a stream that nghttp2 still knows.
 */
function closed(this: Http2Stream): void {
  const attached = attachedTo(this);
  attached.session.later(attached);
}
