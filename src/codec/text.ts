import { invalidArgument } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import type { MessageType } from '../schema/message-type.js';
import { onlyField } from '../schema/only-field.js';
import { Codec, type CallHeader } from './codec.js';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text in UTF-8. A message that it is has one field, a `string`; without a type it is a string. */
export class TextCodec extends Codec {
  readonly name = 'text';
  readonly contentTypes = ['text/plain'];

  readHeader(): undefined {
    return undefined;
  }

  readBody(body: Uint8Array, type: MessageType | undefined): unknown {
    const text = decoded(body);
    return type === undefined ? text : onlyField(type, 'string').read(text);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    const text = type === undefined ? value : onlyField(type, 'string').write(value);
    if (typeof text === 'string' && !/\p{Surrogate}/u.test(text)) return Buffer.from(text);
    throw invalidArgument('what goes as text has to be a string of whole characters');
  }
}

/** Leaves text as it is. */
export function text(): Provider<Codec> {
  return () => new TextCodec();
}

function decoded(body: Uint8Array): string {
  try {
    return UTF8.decode(body);
  } catch {
    throw invalidArgument('the body is no text in UTF-8');
  }
}
