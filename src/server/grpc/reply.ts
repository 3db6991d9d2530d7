import type { OutgoingHttpHeaders } from 'node:http2';
import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { pack } from '../../core/grpc-compression.js';
import { COMPRESSED, framed } from '../../core/grpc-frames.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { Pulse } from '../../core/pulse.js';
import type { Method } from '../../schema/method.js';
import { GRPC_OK } from '../../schema/grpc-trailers.js';
import type { MessageLimits } from '../../transport/transport.js';
import type { ReplySink } from '../reply-sink.js';
import type { CallWire } from './call-wire.js';
import type { Dialect } from './dialect.js';
import { writeMetadata } from './headers.js';

/** Bytes from which packing a message is worth its while. */
const WORTH_PACKING = 1_024;

export interface GrpcReplyInit {
  readonly wire: CallWire;
  readonly method: Method;
  readonly context: Context;
  readonly dialect: Dialect;
  readonly limits: Required<MessageLimits>;
  /** Whether messages are packed with gzip. */
  readonly gzip: boolean;
  /** Watches over a stream that carries nothing. */
  readonly pulse: Pulse | undefined;
}

/** Writes the replies of a call, its metadata and its status. */
export class GrpcReply implements ReplySink {
  readonly #init: GrpcReplyInit;

  constructor(init: GrpcReplyInit) {
    this.#init = init;
  }

  reply(body: unknown): void {
    const trailers = this.#trailers();
    const sent = this.item(body);
    // The end is written behind the reply, whether or not the other end has read that; but not before it is packed.
    if (isPromise(sent) && this.#init.gzip)
      sent.then(
        () => this.#close(trailers),
        (reason: unknown) => this.abort(OctavoError.from(reason)),
      );
    else this.#close(trailers);
  }

  item(value: unknown): MaybePromise<void> {
    const { method, context, dialect, limits, pulse, gzip } = this.#init;
    const { endpoint, reply: type } = method;
    const { service } = context;
    const body = dialect.codec.write({ kind: 'response', id: '', service, endpoint }, value, type);
    const { maxMessageBytes } = limits;
    if (body.length > maxMessageBytes)
      throw new OctavoError(
        'resource_exhausted',
        `a reply of ${endpoint} has ${body.length} bytes, over ${maxMessageBytes} (maxMessageBytes)`,
      );
    context.meter?.sent(body.length);
    pulse?.active();
    this.#open();
    if (!gzip || body.length < WORTH_PACKING) return this.#write(body, 0);
    const packed = pack('gzip', body);
    if (isPromise(packed)) return packed.then((it) => this.#write(it, COMPRESSED));
    return this.#write(packed, COMPRESSED);
  }

  end(error?: OctavoError): void {
    const { context, dialect } = this.#init;
    const trailers = this.#trailers();
    if ((context.replied?.header.size ?? 0) > 0) this.#open();
    this.#close(error === undefined ? trailers : { ...trailers, ...dialect.trailers(error) });
  }

  abort(error: OctavoError): void {
    this.#close(this.#init.dialect.trailers(error));
  }

  #write(body: Uint8Array, flags: number): MaybePromise<void> {
    const message = framed(body, flags);
    return this.#init.wire.write(message.head, message.body);
  }

  #trailers(): OutgoingHttpHeaders {
    const { context, limits } = this.#init;
    const { replied } = context;
    if (replied === undefined || replied.trailer.size === 0) return GRPC_OK;
    return { ...writeMetadata(replied.trailer, limits), ...GRPC_OK };
  }

  #close(trailers: OutgoingHttpHeaders): void {
    const { wire, pulse } = this.#init;
    pulse?.stop();
    // A call that has a reply has a head, and so has one that ended in order without any.
    if (trailers['grpc-status'] === '0') this.#open();
    wire.close(trailers);
  }

  /** The reply's metadata goes before the first message that says anything. */
  #open(): void {
    const { wire, context, limits, gzip } = this.#init;
    if (wire.opened) return;
    const { replied } = context;
    const header = replied === undefined || replied.header.size === 0 ? undefined : replied.header;
    if (header === undefined && !gzip) return wire.open();
    wire.open({
      ...(header && writeMetadata(header, limits)),
      ...(gzip && { 'grpc-encoding': 'gzip' }),
    });
  }
}
