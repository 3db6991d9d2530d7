/** The one method of go-micro's grpc transport: a stream of messages either way. */
export const PATH = '/go.micro.transport.grpc.Transport/Stream';
/** What a gRPC request or response is; a name of a codec may follow. */
export const TYPE = 'application/grpc';
/** Says in the headers of a stream, either way, that an Octavo peer writes: `1`. */
export const OCTAVO = 'octavo';

/** What an end takes. */
interface Taken {
  readonly windowBytes: number;
  readonly maxStreams: number;
}

/** What either end says of itself in HTTP/2's settings. */
export function settingsOf({ windowBytes, maxStreams }: Taken): {
  readonly initialWindowSize: number;
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListSize: number;
  readonly enablePush: false;
} {
  return {
    initialWindowSize: windowBytes,
    maxConcurrentStreams: maxStreams,
    maxHeaderListSize: 16 * 1024,
    enablePush: false,
  };
}

/** Bounds of Node's own for one connection: megabytes that wait to leave, of which each stream has a part of a message at most, and headers of HTTP/2. */
export const BOUNDS = { maxSessionMemory: 128, maxHeaderListPairs: 64 } as const;
