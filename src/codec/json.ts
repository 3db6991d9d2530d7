import { invalidArgument } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import type { JsonWriteOptions } from '../schema/json-value.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';
import { Codec, type CallHeader } from './codec.js';

/** How numbers and enums are written. Go's plain structs refuse ProtoJSON's own: give them `{ int64: 'number', enums: 'number' }`. */
export type JsonCodecOptions = JsonWriteOptions;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

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
    const value = body.length === 0 ? {} : parse(body);
    return type === undefined ? value : schemaOf(type).fromJson(value);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    // Writing checks what it is given, field by field.
    const json = type === undefined ? value : schemaOf(type).toJson(value as object, this.#options);
    return Buffer.from(`${stringify(json)}\n`);
  }
}

/** Encodes as JSON. */
export function json(options?: JsonCodecOptions): Provider<Codec> {
  return () => new JsonCodec(options);
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(body));
  } catch (reason) {
    // What the parser says may quote the whole body.
    const why = reason instanceof Error ? reason.message.slice(0, 200) : 'it cannot be read';
    throw invalidArgument(`the body is no JSON: ${why}`);
  }
}

function stringify(value: unknown): string {
  try {
    const text = JSON.stringify(value);
    if (text !== undefined) return text;
  } catch (reason) {
    throw invalidArgument(
      `the value is no JSON: ${reason instanceof Error ? reason.message.slice(0, 200) : ''}`,
    );
  }
  throw invalidArgument('the value is no JSON: it is undefined or a function');
}
