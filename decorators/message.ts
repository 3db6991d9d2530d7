import 'reflect-metadata';

import { declareMessage } from '../src/schema/declaration.js';
import type { Reserved } from '../src/schema/declaration.js';
import type { Message as WireMessage } from '../src/core/message.js';
import type { MessageType } from '../src/schema/message-type.js';

/** What transports carry: a header and bytes. The decorator of the same name makes a class something to put into one. */
export type Message = WireMessage;

export interface MessageOptions {
  /** Ids and proto names of fields that are gone; a field that uses one fails when the schema is built. */
  readonly reserved?: Reserved;
}

/**
 * Makes a class a message, under its full proto name: `@Message('greeter.HelloRequest')`.
 *
 * The constructor takes no arguments, as decoding begins with `new`. A subclass inherits the fields and has a `@Message`
 * of its own.
 */
export function Message(name: string, { reserved = [] }: MessageOptions = {}): (type: MessageType) => void {
  return (type) => declareMessage(type, name, reserved);
}
