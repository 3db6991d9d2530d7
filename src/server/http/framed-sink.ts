import type { OutgoingHttpHeaders } from 'node:http';
import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { pack, type GrpcEncoding } from '../../core/grpc-compression.js';
import { COMPRESSED, writeFrame } from '../../core/grpc-frames.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { quietly } from '../../core/quietly.js';
import type { Pulse } from '../../core/pulse.js';
import type { Method } from '../../schema/method.js';
import type { ReplySink } from '../reply-sink.js';
import type { Exchange } from './exchange.js';
import type { Form } from './form.js';
import type { Framing } from './framing.js';
import { addMetadata } from './headers.js';
import type { HttpLimits } from './limits.js';

export interface FramedSinkInit {
  readonly exchange: Exchange;
  readonly form: Form;
  readonly framing: Framing;
  readonly method: Method;
  readonly context: Context;
  readonly limits: HttpLimits;
  /** How messages may be packed, if they may. */
  readonly accepts: GrpcEncoding | undefined;
  readonly pulse: Pulse;
}

/** Writes replies as frames, and the frame that ends them. */
export class FramedSink implements ReplySink {
  readonly #init: FramedSinkInit;

  constructor(init: FramedSinkInit) {
    this.#init = init;
  }

  reply(value: unknown): void {
    const packed = this.#framed(value);
    this.#open();
    if (!isPromise(packed)) {
      quietly(() => this.#write(packed));
      return this.end();
    }
    const sent = packed.then((frame) => {
      quietly(() => this.#write(frame));
      this.end();
    });
    sent.catch((reason: unknown) => this.abort(OctavoError.from(reason)));
  }

  item(value: unknown): MaybePromise<void> {
    this.#init.pulse.active();
    const framed = this.#framed(value);
    this.#open();
    return isPromise(framed) ? framed.then((frame) => this.#write(frame)) : this.#write(framed);
  }

  end(error?: OctavoError): void {
    const { framing, context, limits } = this.#init;
    const trailer = context.replied?.trailer;
    if (trailer !== undefined) addMetadata({}, trailer, limits);
    const ending = framing.ending(error, trailer);
    this.#open();
    this.#close(ending);
  }

  abort(error: OctavoError): void {
    const { exchange, framing } = this.#init;
    if (!exchange.begun) exchange.begin(200, this.#head());
    this.#close(framing.ending(error, undefined));
  }

  #close(ending: Buffer): void {
    this.#init.pulse.stop();
    this.#init.exchange.end(this.#init.framing.written(ending));
  }

  #write(frame: Buffer): MaybePromise<void> {
    return this.#init.exchange.write(this.#init.framing.written(frame));
  }

  #framed(value: unknown): MaybePromise<Buffer> {
    const { form, method, context, limits, accepts } = this.#init;
    const header = { kind: 'response', id: '', service: context.service, endpoint: method.endpoint } as const;
    const body = form.codec.write(header, value, method.reply);
    context.meter?.sent(body.length);
    if (body.length > limits.maxMessageBytes)
      throw new OctavoError(
        'resource_exhausted',
        `a reply of ${body.length} bytes: the limit is ${limits.maxMessageBytes} (maxMessageBytes)`,
      );
    if (accepts === undefined || body.length < limits.compressMinBytes) return writeFrame(body);
    const packed = pack(accepts, body);
    return isPromise(packed)
      ? packed.then((bytes) => writeFrame(bytes, COMPRESSED))
      : writeFrame(packed, COMPRESSED);
  }

  /** Sends the head, with what the handler has put beside the reply by now. */
  #open(): void {
    const { exchange, context, limits } = this.#init;
    if (exchange.begun) return;
    const headers = this.#head();
    if (context.replied !== undefined) addMetadata(headers, context.replied.header, limits);
    exchange.begin(200, headers);
  }

  #head(): OutgoingHttpHeaders {
    const { form, framing, accepts } = this.#init;
    return {
      'content-type': form.contentType,
      ...(accepts !== undefined && { [framing.encoding]: accepts }),
    };
  }
}
