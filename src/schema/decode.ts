import { Reader } from 'protobufjs/minimal.js';

import { Budget } from './budget.js';
import { generateDecode } from './generate-decode.js';
import type { MessageReader, Reading } from './generate-decode.js';
import { canGenerate } from './generated-source.js';
import { UNREAD } from './read-value.js';
import type { MessageShape } from './shape.js';
import { decoderOf as closuresOf } from './wire-decode.js';

/** Decodes messages of one class. */
interface Decoder {
  /** An instance of what the bytes hold. Throws a `Fault` with the path of what is wrong. */
  decode(bytes: Uint8Array): object;
}

/** Reads messages of one class by a function that is generated when it is needed first. */
class GeneratedDecoder implements Decoder, Reading {
  readonly #shape: MessageShape;
  readonly #type: MessageShape['type'];
  read: MessageReader;

  constructor(shape: MessageShape) {
    this.#type = shape.type;
    this.#shape = shape;
    this.read = (reader, message, budget) => {
      this.read = generateDecode(shape, generatedOf);
      this.read(reader, message, budget);
    };
  }

  /** What the generated function refuses is given to the closures: they find the words for what is wrong. */
  decode(bytes: Uint8Array): object {
    try {
      const message = new this.#type();
      this.read(new Reader(asBuffer(bytes)), message, new Budget());
      return message;
    } catch {
      return closuresOf(this.#shape).decode(bytes);
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  if (!(bytes instanceof Uint8Array)) throw UNREAD;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const decoders = new WeakMap<MessageShape, GeneratedDecoder>();

function generatedOf(shape: MessageShape): GeneratedDecoder {
  let decoder = decoders.get(shape);
  if (decoder === undefined) {
    decoder = new GeneratedDecoder(shape);
    decoders.set(shape, decoder);
  }
  return decoder;
}

/** The decoder of a shape, made at the first call. */
export function decoderOf(shape: MessageShape): Decoder {
  return canGenerate() ? generatedOf(shape) : closuresOf(shape);
}
