import type { OctavoError } from '../core/error.js';
import type { Metadata } from '../core/metadata.js';
import type { MessageType } from '../schema/message-type.js';

/** What a message is for. An error is a response without a body, an event is never answered. */
export type MessageKind = 'request' | 'response' | 'error' | 'event';

/** What codecs with an envelope write into the body; the others leave it to the message's header. */
export interface CallHeader {
  readonly kind: MessageKind;
  /** Matches a response to its request. There are envelopes that tell `7` and `'7'` apart; `null` is of a request that nobody could read. */
  readonly id: string | number | null;
  readonly service: string;
  /** `Greeter.Hello`. */
  readonly endpoint: string;
  /** Of the kind `error`; without it, it is the end of a stream. */
  readonly error?: OctavoError;
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

  /**
   * What the envelope in a body says; `undefined` where this codec, or this kind of message, has none. The kind that it says may be another:
   * `error` for `response`, `event` for a `request` that is not to be answered.
   *
   * @throws `invalid_argument` for bytes that are no envelope
   */
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

/** A codec that says of a call what it is in names of its own in the message's header, beside those of the wire. */
export abstract class HeaderCodec extends Codec {
  /** The names and values for a message. */
  abstract writeCall(header: CallHeader): readonly (readonly [name: string, value: string])[];

  /** The service and the endpoint that the header of a request names; `''` for either that it does not. */
  abstract readCall(header: Metadata): Pick<CallHeader, 'service' | 'endpoint'>;
}

/** A codec whose requests may be several in one body. */
export abstract class BatchCodec extends Codec {
  /**
   * The bodies of the requests in one body; `undefined` where it is a request itself.
   *
   * @throws `invalid_argument` for bytes that are neither, for none, and for too many
   */
  abstract split(body: Uint8Array): readonly Uint8Array[] | undefined;

  /** The body that answers a batch. Bodies without bytes are of events, which have no answer; where there is no other, there are no bytes. */
  abstract join(replies: readonly Uint8Array[]): Uint8Array;
}
