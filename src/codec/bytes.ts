import { invalidArgument } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import type { MessageType } from '../schema/message-type.js';
import { onlyField } from '../schema/only-field.js';
import { Codec, type CallHeader } from './codec.js';

/** Bytes as they are, as go-micro's `bytes.Frame`. A message that they are has one field, of `bytes`; without a type they are a `Uint8Array`. */
export class BytesCodec extends Codec {
  readonly name = 'bytes';
  readonly contentTypes = ['application/octet-stream'];

  readHeader(): undefined {
    return undefined;
  }

  readBody(body: Uint8Array, type: MessageType | undefined): unknown {
    const bytes = new Uint8Array(body);
    return type === undefined ? bytes : onlyField(type, 'bytes').read(bytes);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    const bytes = type === undefined ? value : onlyField(type, 'bytes').write(value);
    if (bytes instanceof Uint8Array) return bytes;
    throw invalidArgument('what goes as it is has to be bytes: give a Uint8Array');
  }
}

/** Leaves bytes as they are. */
export function bytes(): Provider<Codec> {
  return () => new BytesCodec();
}
