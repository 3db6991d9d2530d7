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
    return type === undefined ? Uint8Array.from(body) : schemaOf(type).decode(body);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    // Encoding checks what it is given, field by field.
    return type === undefined ? (value as Uint8Array) : schemaOf(type).encode(value as object);
  }
}

/** Encodes as protobuf. */
export function protobuf(): Provider<Codec> {
  return () => new ProtobufCodec();
}
