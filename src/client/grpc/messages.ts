import type { Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import { OctavoError } from '../../core/error.js';
import { pack, unpack, type GrpcEncoding } from '../../core/grpc-compression.js';
import { COMPRESSED, framed, type FramedMessage, type GrpcFrame } from '../../core/grpc-frames.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { ClientCall } from '../calling/client-call.js';
import { codecFor } from '../calling/codec-for.js';
import { fromGrpcType } from './content-type.js';
import type { ReplyWire } from './reply-wire.js';

export interface MessagesParts {
  readonly codecs: Codecs;
  /** How what is sent is packed, where it is. */
  readonly encoding: GrpcEncoding | undefined;
  readonly maxMessageBytes: number;
}

/** Makes messages of values, and values of messages. */
export class Messages {
  readonly #parts: MessagesParts;

  constructor(parts: MessagesParts) {
    this.#parts = parts;
  }

  /** The codec that a call asked for, which may have called it by its name in gRPC. */
  codecOf({ contentType }: ClientCall): Codec {
    return codecFor(this.#parts.codecs, fromGrpcType(contentType) ?? contentType);
  }

  /**
   * The message of a value.
   *
   * @throws or rejects with `invalid_argument` for what the type cannot hold, and `resource_exhausted` for a message over the limit
   */
  write(
    { service, endpoint, method, context }: ClientCall,
    codec: Codec,
    value: unknown,
  ): MaybePromise<FramedMessage> {
    const { encoding, maxMessageBytes } = this.#parts;
    const body = codec.write({ kind: 'request', id: '', service, endpoint }, value, method?.request);
    context.meter?.sent(body.length);
    if (body.length > maxMessageBytes)
      throw new OctavoError(
        'resource_exhausted',
        `the request has ${body.length} bytes: the limit is ${maxMessageBytes} (maxMessageBytes)`,
        { executed: false },
      );
    if (encoding === undefined) return framed(body);
    const packed = pack(encoding, body);
    return isPromise(packed) ? packed.then((it) => framed(it, COMPRESSED)) : framed(packed, COMPRESSED);
  }

  /**
   * The value of a message.
   *
   * @throws or rejects with `internal` for one that cannot be read, and `resource_exhausted` for one over the limit
   */
  read(call: ClientCall, wire: ReplyWire, { flags, body }: GrpcFrame): MaybePromise<unknown> {
    if ((flags & COMPRESSED) === 0) return this.#value(call, wire, body);
    if (wire.encoding === undefined)
      throw new OctavoError(
        'internal',
        `${wire.session.remote} sent a packed message, and did not say how (grpc-encoding)`,
      );
    const unpacked = unpack(wire.encoding, body, this.#parts.maxMessageBytes);
    return isPromise(unpacked)
      ? unpacked.then((it) => this.#value(call, wire, it))
      : this.#value(call, wire, unpacked);
  }

  #value(call: ClientCall, { contentType = '' }: ReplyWire, body: Uint8Array): unknown {
    const { service, endpoint, method, context } = call;
    context.meter?.received(body.length);
    const codec = this.#parts.codecs.get(contentType);
    if (codec === undefined)
      throw new OctavoError('internal', `${service} answered with the content type "${contentType}"`);
    try {
      return codec.readBody(body, method?.reply, 'response');
    } catch (cause) {
      const why = OctavoError.from(cause).message;
      throw new OctavoError('internal', `the reply of ${service} ${endpoint} cannot be read: ${why}`, {
        cause,
      });
    }
  }
}
