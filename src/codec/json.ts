import type { Provider } from '../core/provider.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';
import { Codec, type CallHeader } from './codec.js';

/** ProtoJSON, one value with a line break behind it, as go-micro writes it. */
export class JsonCodec extends Codec {
  readonly name = 'json';
  readonly contentTypes = ['application/json'];

  readHeader(): undefined {
    return undefined;
  }

  readBody(body: Uint8Array, type: MessageType | undefined): unknown {
    const value: unknown = body.length === 0 ? {} : JSON.parse(Buffer.from(body).toString('utf8'));
    return type === undefined ? value : schemaOf(type).fromJson(value);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    return Buffer.from(
      `${JSON.stringify(type === undefined ? value : schemaOf(type).toJson(value as object))}\n`,
    );
  }
}

/** Encodes as JSON. */
export function json(): Provider<Codec> {
  return () => new JsonCodec();
}
