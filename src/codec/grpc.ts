import { writeFrame } from '../core/grpc-frames.js';
import { invalidArgument } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import { bodyOf, bodyText } from '../schema/json-body.js';
import { FREE_LEVELS, TYPED_LEVELS, parseJson } from '../schema/json-text.js';
import type { JsonWriteOptions } from '../schema/json-value.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';
import { Codec, type CallHeader } from './codec.js';

/** What is in a frame. `int64` and `enums` are of JSON. */
export interface GrpcCodecOptions extends JsonWriteOptions {
  /** @defaultValue `'proto'` */
  readonly format?: 'proto' | 'json';
}

/** Bytes before a message: whether it is compressed, and its length. */
const PREFIX = 5;

/**
 * A message in gRPC's frame, as go-micro's servers read it beside the headers of mucp. It makes no gRPC of it: that is a protocol, and has a server of its own.
 *
 * Compressed messages are refused, as in go-micro. Source: go-micro v4.11 `codec/grpc`.
 */
export class GrpcCodec extends Codec {
  readonly name = 'grpc';
  readonly contentTypes: readonly string[];
  readonly #json: boolean;
  readonly #options: JsonWriteOptions;

  constructor({ format = 'proto', ...options }: GrpcCodecOptions = {}) {
    super();
    this.#json = format === 'json';
    this.#options = options;
    this.contentTypes = this.#json
      ? ['application/grpc+json']
      : ['application/grpc+proto', 'application/grpc'];
  }

  readHeader(): undefined {
    return undefined;
  }

  /** No bytes are an empty message, as in go-micro. */
  readBody(body: Uint8Array, type: MessageType | undefined): unknown {
    const message = unframed(body);
    if (!this.#json) return type === undefined ? new Uint8Array(message) : schemaOf(type).decode(message);
    const levels = type === undefined ? FREE_LEVELS : TYPED_LEVELS;
    return bodyOf(message.length === 0 ? {} : parseJson(message, levels), type);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    if (this.#json) return writeFrame(Buffer.from(bodyText(value, type, this.#options)));
    // Encoding checks what it is given, field by field.
    if (type !== undefined) return writeFrame(schemaOf(type).encode(value as object));
    if (value instanceof Uint8Array) return writeFrame(value);
    throw invalidArgument('grpc without a type is encoded bytes: give a Uint8Array, or the message class');
  }
}

/** Encodes in gRPC's frames. */
export function grpc(options?: GrpcCodecOptions): Provider<Codec> {
  return () => new GrpcCodec(options);
}

function unframed(body: Uint8Array): Uint8Array {
  if (body.length === 0) return body;
  if (body.length < PREFIX)
    throw invalidArgument(`the body is no frame of gRPC: it has ${body.length} bytes`);
  if (body[0] !== 0) throw invalidArgument('the message is compressed, which is not read: send it as it is');
  const size = new DataView(body.buffer, body.byteOffset).getUint32(1);
  if (size !== body.length - PREFIX)
    throw invalidArgument(`the frame says ${size} bytes, and ${body.length - PREFIX} came`);
  return body.subarray(PREFIX);
}
