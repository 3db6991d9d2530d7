import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { unpack, type GrpcEncoding } from '../../core/grpc-compression.js';
import { COMPRESSED, type GrpcFrame } from '../../core/grpc-frames.js';
import type { WireOwner } from '../../core/http2/wire.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { CallWire } from './call-wire.js';

/** How messages come. */
export interface Packing {
  /** How those are packed that are. */
  readonly encoding: GrpcEncoding | undefined;
  /** Bytes of the longest message, unpacked. */
  readonly maxMessageBytes: number;
  /** Whether they are the items of a stream. */
  readonly items: boolean;
}

interface Waiting {
  readonly resolve: (body: MaybePromise<Uint8Array | undefined>) => void;
  readonly reject: (reason: unknown) => void;
}

/** What the caller sends on one call, read message by message, and the word that it has gone. */
export class Inflow implements WireOwner {
  wire: CallWire | undefined;
  /** The call that ends when the caller goes away. */
  context: Context | undefined;
  readonly #packing: Packing;
  #waiting: Waiting | undefined;
  #ended = false;
  #error: OctavoError | undefined;

  constructor(packing: Packing) {
    this.#packing = packing;
  }

  /** The next message, unpacked; `undefined` after the last. One at a time. Rejects with, or throws, what is wrong with it, and so from then on. */
  next(): MaybePromise<Uint8Array | undefined> {
    if (this.#waiting !== undefined)
      throw new OctavoError('failed_precondition', 'a receive waits already: await it before the next one');
    const frame = this.#take();
    if (frame !== undefined) return this.#body(frame);
    if (this.#ended) return undefined;
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  arrived(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    try {
      const frame = this.#take();
      if (frame === undefined) return;
      this.#waiting = undefined;
      waiting.resolve(this.#body(frame));
    } catch (reason) {
      this.#waiting = undefined;
      waiting.reject(reason);
    }
  }

  /** A caller of Node's that breaks a stream off ends it first in order, as HTTP/2 has it; the word of the cut is read a turn later. */
  ended(error: OctavoError | undefined): void {
    if (error === undefined && this.#packing.items)
      setImmediate(() => setImmediate(() => this.#end(undefined)));
    else this.#end(error);
  }

  #end(error: OctavoError | undefined): void {
    this.#ended = true;
    this.#error ??= error && gone(error);
    // It may have ended in the middle of a message.
    this.arrived();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (this.#error === undefined) waiting?.resolve(undefined);
    else waiting?.reject(this.#error);
  }

  closed(error: OctavoError | undefined): void {
    const { context } = this;
    // Most streams close because the reply is out.
    if (context === undefined || context.ended) return;
    const reason = gone(error);
    // It may have ended in order before.
    this.#error ??= reason;
    context.cancel(reason);
  }

  #take(): GrpcFrame | undefined {
    if (this.#error !== undefined) throw this.#error;
    try {
      return this.wire?.next();
    } catch (reason) {
      throw (this.#error = OctavoError.from(reason));
    }
  }

  #body({ flags, body }: GrpcFrame): MaybePromise<Uint8Array> {
    if ((flags & COMPRESSED) === 0) return body;
    const { encoding, maxMessageBytes } = this.#packing;
    if (encoding !== undefined) return unpack(encoding, body, maxMessageBytes);
    throw new OctavoError('internal', 'a packed message came, and no grpc-encoding says how');
  }
}

/** Nobody waits for the answer any more. */
function gone(cause?: OctavoError): OctavoError {
  return new OctavoError('cancelled', 'the caller went away', { cause });
}
