import type { Provider } from '../core/provider.js';
import { bodyOf, bodyText } from '../schema/json-body.js';
import { FREE_LEVELS, TYPED_LEVELS, parseJson } from '../schema/json-text.js';
import type { JsonWriteOptions } from '../schema/json-value.js';
import type { MessageType } from '../schema/message-type.js';
import { Codec, type CallHeader } from './codec.js';

/** How numbers and enums are written. Go's plain structs refuse ProtoJSON's own: give them `{ int64: 'number', enums: 'number' }`. */
export type JsonCodecOptions = JsonWriteOptions;

/** ProtoJSON: one value with a line break behind it, as go-micro writes it. Without a type a body is any JSON value. */
export class JsonCodec extends Codec {
  readonly name = 'json';
  readonly contentTypes = ['application/json'];
  readonly #options: JsonCodecOptions;

  constructor(options: JsonCodecOptions = {}) {
    super();
    this.#options = options;
  }

  readHeader(): undefined {
    return undefined;
  }

  /** An empty body is an empty message, as in go-micro. */
  readBody(body: Uint8Array, type: MessageType | undefined): unknown {
    const levels = type === undefined ? FREE_LEVELS : TYPED_LEVELS;
    return bodyOf(body.length === 0 ? {} : parseJson(body, levels), type);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    return Buffer.from(`${bodyText(value, type, this.#options)}\n`);
  }
}

/** Encodes as JSON. */
export function json(options?: JsonCodecOptions): Provider<Codec> {
  return () => new JsonCodec(options);
}
