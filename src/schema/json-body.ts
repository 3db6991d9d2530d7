import { FREE_LEVELS, jsonText } from './json-text.js';
import type { JsonWriteOptions } from './json-value.js';
import type { MessageType } from './message-type.js';
import { schemaOf } from './schema.js';

/** The text of a value: ProtoJSON where a class says what it is. Throws `invalid_argument` for what has none. */
export function bodyText(value: unknown, type: MessageType | undefined, options: JsonWriteOptions): string {
  if (type === undefined) return jsonText(value, FREE_LEVELS);
  // Writing checks what it is given, field by field.
  return JSON.stringify(schemaOf(type).toJson(value as object, options));
}

/** What a value is that JSON said: an instance of the class where there is one. Throws `invalid_argument` for another value. */
export function bodyOf(json: unknown, type: MessageType | undefined): unknown {
  return type === undefined ? json : schemaOf(type).fromJson(json);
}
