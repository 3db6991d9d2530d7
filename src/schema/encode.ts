import { generateEncode } from './generate-encode.js';
import type { Writing } from './generate-encode.js';
import { canGenerate } from './generated-source.js';
import type { MessageShape } from './shape.js';
import { encodeWith, isBusy } from './slab.js';
import type { MessageWriter } from './slab.js';
import { encoderOf as closuresOf } from './wire-encode.js';

/** Encodes messages of one class. */
interface Encoder {
  /** The bytes of a message. Throws a `Fault` with the path of what does not fit. */
  encode(message: unknown): Uint8Array;
}

/** Writes messages of one class by a function that is generated when it is needed first. */
class GeneratedEncoder implements Encoder, Writing {
  readonly #shape: MessageShape;
  /** How many bytes the last message had. */
  #size = 0;
  write: MessageWriter;

  constructor(shape: MessageShape) {
    this.#shape = shape;
    this.write = (buffer, pos, message, depth) => {
      this.write = generateEncode(shape, generatedOf);
      return this.write(buffer, pos, message, depth);
    };
  }

  /** What the generated function refuses is given to the closures: they find the words for what is wrong. */
  encode(message: unknown): Uint8Array {
    if (!isBusy())
      try {
        const bytes = encodeWith(this.write, message, this.#size);
        this.#size = bytes.length;
        return bytes;
      } catch {
        // The closures meet it too.
      }
    return closuresOf(this.#shape).encode(message);
  }
}

const encoders = new WeakMap<MessageShape, GeneratedEncoder>();

function generatedOf(shape: MessageShape): GeneratedEncoder {
  let encoder = encoders.get(shape);
  if (encoder === undefined) {
    encoder = new GeneratedEncoder(shape);
    encoders.set(shape, encoder);
  }
  return encoder;
}

/** The encoder of a shape, made at the first call. */
export function encoderOf(shape: MessageShape): Encoder {
  return canGenerate() ? generatedOf(shape) : closuresOf(shape);
}
