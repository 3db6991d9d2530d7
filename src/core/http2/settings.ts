/** What an end takes. */
export interface Taken {
  /** How much of one stream the other end may send before it is read, in bytes. */
  readonly windowBytes: number;
  /** How many streams the other end may have open; none where it opens none. */
  readonly maxStreams: number;
  /** Bytes of the headers of one stream. @defaultValue 16 KiB */
  readonly headerBytes?: number;
  /** How many headers one stream has. @defaultValue `64` */
  readonly headerPairs?: number;
}

/** What either end says of itself in HTTP/2's settings. */
export function settingsOf({ windowBytes, maxStreams, headerBytes = 16 * 1024 }: Taken): {
  readonly initialWindowSize: number;
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListSize: number;
  readonly enablePush: false;
} {
  return {
    initialWindowSize: windowBytes,
    maxConcurrentStreams: maxStreams,
    maxHeaderListSize: headerBytes,
    enablePush: false,
  };
}

/** Bounds of Node's own for one connection: megabytes that wait to leave, of which each stream has a part of a message at most, and headers of HTTP/2. */
export function boundsOf({ headerPairs = 64 }: Pick<Taken, 'headerPairs'>): {
  readonly maxSessionMemory: number;
  readonly maxHeaderListPairs: number;
} {
  return { maxSessionMemory: 128, maxHeaderListPairs: headerPairs };
}
