import { Reader, Writer } from 'protobufjs/minimal.js';

import { Budget } from './budget.js';
import { mismatch } from './fault.js';
import type { MessageShape, WellKnownMessage } from './shape.js';
import { wellKnown } from './well-known.js';
import { decoderOf } from './decode.js';
import { encoderOf } from './encode.js';
import { asFault } from './wire-read.js';

/** The values of one type as the bytes that an `Any` holds. Both functions throw a `Fault`. */
export interface PackedForm {
  readonly name: string;
  readonly encode: (value: unknown) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
}

/** The packed form of a message class's shape, or of a well-known message. */
export function packedForm(type: MessageShape | WellKnownMessage): PackedForm {
  if (typeof type === 'string') return wellKnownForm(type);
  return {
    name: type.name,
    // The encoder gives a part of a larger buffer.
    encode: (value) => new Uint8Array(encoderOf(type).encode(value)),
    decode: (bytes) => decoderOf(type).decode(bytes),
  };
}

function wellKnownForm(name: WellKnownMessage): PackedForm {
  const { write, read } = wellKnown[name];
  return {
    name,
    encode(value) {
      const writer = Writer.create();
      write(writer, value, 0);
      return new Uint8Array(writer.finish(true));
    },
    decode(bytes) {
      if (!(bytes instanceof Uint8Array)) throw mismatch('a Uint8Array', bytes);
      try {
        return read(new Reader(bytes), undefined, new Budget());
      } catch (reason) {
        throw asFault(reason);
      }
    },
  };
}
