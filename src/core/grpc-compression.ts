import { deflate, deflateSync, gunzip, gunzipSync, gzip, gzipSync, inflate, inflateSync } from 'node:zlib';
import { OctavoError } from './error.js';
import type { MaybePromise } from './lifecycle.js';

/** How messages are packed that are: by name, as `grpc-encoding` has it. */
export type GrpcEncoding = 'gzip' | 'deflate';

/** What `grpc-accept-encoding` says. */
export const GRPC_ENCODINGS = 'identity,gzip,deflate';

/** Bytes up to which no other thread is asked: that costs more than it takes, even for a message that was made to grow. */
const SMALL = 1_024;

/** The packing that a header names: `undefined` for none, and for `identity`. Throws `unimplemented`, naming those there are, for another. */
export function grpcEncoding(named: string | undefined): GrpcEncoding | undefined {
  if (named === undefined || named === 'identity') return undefined;
  if (named === 'gzip' || named === 'deflate') return named;
  throw new OctavoError(
    'unimplemented',
    `messages packed with "${named.slice(0, 40)}" are not read here: use ${GRPC_ENCODINGS.replaceAll(',', ', ')}`,
    { executed: false },
  );
}

/** Packs a message. */
export function pack(encoding: GrpcEncoding, bytes: Uint8Array): MaybePromise<Buffer> {
  const gzips = encoding === 'gzip';
  if (bytes.length <= SMALL) return gzips ? gzipSync(bytes) : deflateSync(bytes);
  return new Promise((resolve, reject) => {
    (gzips ? gzip : deflate)(bytes, (error, packed) => {
      if (error === null) resolve(packed);
      else reject(error);
    });
  });
}

/**
 * Unpacks a message.
 *
 * @throws or rejects with `resource_exhausted` for one of more than `maxBytes`, of which no more are made; `internal`, as gRPC has it, for what is none
 */
export function unpack(encoding: GrpcEncoding, bytes: Uint8Array, maxBytes: number): MaybePromise<Buffer> {
  const gzips = encoding === 'gzip';
  // Of nothing there would be no limit.
  const limit = { maxOutputLength: Math.max(1, maxBytes) };
  if (bytes.length <= SMALL)
    try {
      return gzips ? gunzipSync(bytes, limit) : inflateSync(bytes, limit);
    } catch (reason) {
      throw unpackable(reason, encoding, maxBytes);
    }
  return new Promise((resolve, reject) => {
    (gzips ? gunzip : inflate)(bytes, limit, (error, unpacked) => {
      if (error === null) resolve(unpacked);
      else reject(unpackable(error, encoding, maxBytes));
    });
  });
}

function unpackable(reason: unknown, encoding: GrpcEncoding, maxBytes: number): OctavoError {
  // Node's errors have codes.
  if ((reason as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
    return new OctavoError(
      'resource_exhausted',
      `a message came that unpacks to more than ${maxBytes} bytes (maxMessageBytes)`,
    );
  return new OctavoError('internal', `a message came that ${encoding} cannot unpack`, { cause: reason });
}
