import { invalidArgument } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';
import { Codec, type CallHeader } from './codec.js';

/** proto3 bytes, without framing or envelope. Without a type a body is its bytes. */
export class ProtobufCodec extends Codec {
  readonly name = 'protobuf';
  readonly contentTypes = ['application/protobuf', 'application/proto', 'application/x-protobuf'];

  readHeader(): undefined {
    return undefined;
  }

  readBody(body: Uint8Array, type: MessageType | undefined): unknown {
    return type === undefined ? new Uint8Array(body) : schemaOf(type).decode(body);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    // Encoding checks what it is given, field by field.
    if (type !== undefined) return schemaOf(type).encode(value as object);
    if (value instanceof Uint8Array) return value;
    throw invalidArgument(
      'protobuf without a type is encoded bytes: give a Uint8Array, or the message class',
    );
  }
}

/** Encodes as protobuf. */
export function protobuf(): Provider<Codec> {
  return () => new ProtobufCodec();
}
