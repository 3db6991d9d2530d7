import type { MessageType } from './message-type.js';

/** A topic and the class of its events, so that publisher and subscriber cannot disagree. */
export interface Topic<T extends object = object> {
  readonly name: string;
  readonly type: MessageType<T>;
}

/** Names a topic: `const Greetings = topic('greetings', Greeting)`. */
export function topic<T extends object>(name: string, type: MessageType<T>): Topic<T> {
  return { name, type };
}
