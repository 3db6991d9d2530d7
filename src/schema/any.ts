import { invalidArgument } from '../core/error.js';
import { AnyOf } from './any-of.js';
import { declareField, declareMessage } from './declaration.js';
import { Empty } from './empty.js';
import { refusal, unfit } from './fault.js';
import type { Decoded, WellKnownName } from './field-type.js';
import { isPlain } from './given.js';
import type { Init, MessageType } from './message-type.js';
import { packedForm } from './packed-form.js';
import type { PackedForm } from './packed-form.js';
import { shapeOf } from './resolve.js';
import { isWellKnown } from './well-known.js';

/** What an {@link Any} can hold: a message class, or the name of a well-known message. */
export type Packable = MessageType | Exclude<WellKnownName, 'google.protobuf.NullValue'>;

/** A message of whatever class, as its bytes and the name of its type: google.protobuf.Any. */
export class Any {
  /** A prefix, a slash and the full name: `type.googleapis.com/greeter.Created`. */
  typeUrl = '';
  /** The bytes of the message. */
  value: Uint8Array = new Uint8Array();

  /** The type of a field whose JSON knows these classes: `@Field(1, Any.of(Created, Deleted)) change?: Any`. */
  static of(...known: (MessageType | (() => MessageType))[]): AnyOf<Any> {
    return new AnyOf(Any, known);
  }

  /**
   * Packs an instance; with a type also a plain object, or the value of a well-known type.
   *
   * Throws `invalid_argument` for a value that does not fit its type.
   */
  static pack(message: object): Any;
  static pack<Type extends Packable>(value: Init<Decoded<Type>>, type: Type): Any;
  static pack(value: unknown, type: Packable = classOf(value)): Any {
    const { name, encode } = formOf(type);
    const any = new Any();
    any.typeUrl = `type.googleapis.com/${name}`;
    any.value = refusing(name, () => encode(value));
    return any;
  }

  /** Whether it holds a message of this type. */
  is(type: Packable): boolean {
    return packedName(this.typeUrl) === formOf(type).name;
  }

  /** What it holds, as a fresh instance. Throws `invalid_argument` for another type, and for bytes that are wrong. */
  unpack<Type extends Packable>(type: Type): Decoded<Type>;
  unpack(type: Packable): unknown {
    const { name, decode } = formOf(type);
    const held = packedName(this.typeUrl);
    if (held !== name)
      throw invalidArgument(
        `an Any holds ${held === '' ? 'nothing' : held}, and not ${name}: ask is() first`,
      );
    return refusing(name, () => decode(this.value));
  }
}

declareMessage(Any, 'google.protobuf.Any', []);
declareField(Any.prototype, { property: 'typeUrl', id: 1, label: 'single', type: 'string', optional: false });
declareField(Any.prototype, { property: 'value', id: 2, label: 'single', type: 'bytes', optional: false });

/** The full name of the type in an {@link Any}'s URL. */
export function packedName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

function classOf(value: unknown): MessageType {
  if (typeof value === 'object' && value !== null && !isPlain(value))
    // Whether it is the class of a message is asked next.
    return value.constructor as MessageType;
  throw unfit('Any.pack()', 'only an instance says what it is; name the class: Any.pack(value, Class)');
}

function formOf(type: Packable): PackedForm {
  if (typeof type !== 'string') return packedForm(shapeOf(type));
  return packedForm(isWellKnown(type) ? type : shapeOf(Empty));
}

function refusing<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (reason) {
    throw refusal(name, reason);
  }
}
