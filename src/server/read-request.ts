import type { Codec } from '../codec/codec.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';

/** Decodes a request and holds it to its rules. */
export function readRequest(codec: Codec, body: Uint8Array, type: MessageType): unknown {
  const request = codec.readBody(body, type, 'request');
  // What a codec gives for a type is an instance of it.
  schemaOf(type).validate(request as object);
  return request;
}
