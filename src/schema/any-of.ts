import type { MessageType } from './message-type.js';

/** An `Any` field's type, with the classes whose JSON it knows: what `Any.of` returns. */
export class AnyOf<T extends object = object> {
  /** The class of the field's values. */
  readonly type: MessageType<T>;
  readonly known: readonly (MessageType | (() => MessageType))[];

  constructor(type: MessageType<T>, known: readonly (MessageType | (() => MessageType))[]) {
    this.type = type;
    this.known = known;
  }
}
