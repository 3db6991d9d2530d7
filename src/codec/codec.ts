import type { MessageType } from '../schema/message-type.js';

/** What a message is for. An error is a response without a body. */
export type MessageKind = 'request' | 'response' | 'error' | 'event';

/** What codecs with an envelope write into the body; the others leave it to the message's header. */
export interface CallHeader {
  readonly kind: MessageKind;
  /** Matches a response to its request. */
  readonly id: string;
  readonly service: string;
  /** `Greeter.Hello`. */
  readonly endpoint: string;
  readonly error?: string;
}

/**
 * Turns values into bytes and back. Holds no state, so one serves every connection.
 *
 * `octavo/conformance/codec` says whether an implementation is one.
 */
export abstract class Codec {
  /** What logs and errors call this implementation. */
  abstract readonly name: string;
  /** The content types it reads and writes, the preferred one first, in lower case and without parameters. */
  abstract readonly contentTypes: readonly string[];

  /** What the envelope in a body says; `undefined` where this codec has no envelope. */
  abstract readHeader(body: Uint8Array, kind: MessageKind): CallHeader | undefined;

  /**
   * The value in a body, as an instance of `type`; without a type what the codec makes of it: a JSON value, or the bytes.
   *
   * @throws `invalid_argument` for bytes that are no such value
   */
  abstract readBody(body: Uint8Array, type: MessageType | undefined, kind: MessageKind): unknown;

  /**
   * The bytes of a value, in the envelope if this codec has one. Without a type `value` is what {@link readBody} gives without one.
   *
   * @throws `invalid_argument` for a value that `type` cannot hold, with the field's path
   */
  abstract write(header: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array;
}
