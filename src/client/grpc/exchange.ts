import type { Codec } from '../../codec/codec.js';
import type { Follower } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { Node } from '../../registry/registry.js';
import type { ClientCall } from '../calling/client-call.js';
import { iterate } from '../calling/items.js';
import { Replay } from '../calling/replay.js';
import { metadataIn } from './ending.js';
import type { Opener } from './opener.js';
import type { ReplyOwner, ReplyWire } from './reply-wire.js';

/** Bytes of items that are kept for another attempt. */
const MOST_KEPT = 64 * 1024;

/** One attempt of a call that is a stream: sends the items of the request, and gives those of the reply as they are asked for. */
export class Exchange implements AsyncIterableIterator<unknown>, ReplyOwner, Follower {
  readonly #opener: Opener;
  readonly #call: ClientCall;
  readonly #codec: Codec;
  #wire: ReplyWire | undefined;
  /** Whether the other end has said something, or so much was sent that it cannot be sent again: there will be no other attempt. */
  #settled = false;
  /** Whether a caller has it, who is told by it how it ends. */
  #opened = false;
  /** How the other end has ended; and how it ended for the reader, who may be behind. */
  #end: { readonly error: OctavoError | undefined } | undefined;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #wake = (): void => {};

  constructor(opener: Opener, call: ClientCall) {
    this.#opener = opener;
    this.#call = call;
    this.#codec = opener.messages.codecOf(call);
  }

  /**
   * Opens the stream, and begins to send what there is to send.
   *
   * It is open when the other end has said something, or more items are on their way than are kept: until then one that is refused can be
   * opened elsewhere, with all its items. Rejects with the refusal.
   */
  async open(node: Node): Promise<void> {
    const call = this.#call;
    const { messages } = this.#opener;
    // An attempt may be given up until it has succeeded.
    call.attempting = this;
    const only = call.kind === 'server' ? await messages.write(call, this.#codec, call.request) : undefined;
    if (only === undefined) call.items ??= new Replay(iterate(call.request));
    const slot = await this.#opener.dial(call, node);
    if (this.#over?.error !== undefined) {
      slot.leave();
      throw this.#over.error;
    }
    const wire = this.#opener.open(slot, call, node, this);
    this.#wire = wire;
    call.context.follow(this);
    if (only === undefined) void this.#pump();
    else {
      void wire.write(only.head, only.body);
      wire.halfClose();
    }
    while (!this.#settled && !this.#through) await new Promise<void>((wake) => (this.#wake = wake));
    // Nothing came but the end.
    if (!this.#settled && this.#end !== undefined) this.#ended(this.#end.error);
    if (this.#over?.error !== undefined) throw this.#over.error;
    this.#settle();
    this.#opened = true;
    call.attempting = undefined;
    if (this.#over !== undefined) call.end();
  }

  async next(): Promise<IteratorResult<unknown>> {
    for (;;) {
      if (this.#over !== undefined) {
        const { error } = this.#over;
        if (error !== undefined) throw error;
        return { done: true, value: undefined };
      }
      try {
        const value = this.#take();
        if (value !== undefined) return { done: false, value: isPromise(value) ? await value : value };
      } catch (reason) {
        this.#fail(reason);
        continue;
      }
      if (this.#end !== undefined) this.#ended(this.#end.error);
      else await new Promise<void>((wake) => (this.#wake = wake));
    }
  }

  /** The reader has left: the handler at the other side is cancelled. */
  async return(): Promise<IteratorResult<unknown>> {
    if (this.#over === undefined) {
      if (this.#end === undefined) this.#wire?.giveUp();
      this.#finish(undefined);
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  answered(): void {
    this.#settle();
    const { onHeader } = this.#call.options;
    try {
      onHeader?.(metadataIn(this.#wire?.header ?? {}));
    } catch (reason) {
      this.#fail(reason);
    }
    this.#wake();
  }

  arrived(): void {
    this.#wake();
  }

  ended(error: OctavoError | undefined): void {
    this.#end ??= { error };
    this.#stopSending();
    this.#wake();
  }

  cancelled(reason: OctavoError): void {
    this.#fail(reason);
  }

  #take(): MaybePromise<unknown> {
    const wire = this.#wire;
    const frame = wire?.next();
    return wire === undefined || frame === undefined
      ? undefined
      : this.#opener.messages.read(this.#call, wire, frame);
  }

  /** All that came is read. */
  #ended(error: OctavoError | undefined): void {
    const { onTrailer } = this.#call.options;
    const trailer = this.#wire?.trailer;
    try {
      if (trailer !== undefined) onTrailer?.(metadataIn(trailer));
      this.#finish(error);
    } catch (reason) {
      this.#finish(OctavoError.from(reason));
    }
  }

  /** Sends what the caller gives until there is no more, or nobody wants it. */
  async #pump(): Promise<void> {
    const { items } = this.#call;
    let kept = 0;
    try {
      for (const next = items?.reader(); next !== undefined;) {
        const step = await next();
        if (this.#through) return;
        if (step.done === true) break;
        const { head, body } = await this.#opener.messages.write(this.#call, this.#codec, step.value);
        const sent = this.#wire?.write(head, body);
        kept += head.length + body.length;
        if (!this.#settled && kept > MOST_KEPT) this.#settle();
        if (isPromise(sent)) await sent;
        if (this.#through) return;
      }
      this.#wire?.halfClose();
    } catch (reason) {
      this.#fail(reason);
    }
  }

  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#call.items?.settle();
    this.#wake();
  }

  get #through(): boolean {
    return this.#end !== undefined || this.#over !== undefined;
  }

  #fail(reason: unknown): void {
    if (this.#over !== undefined) return;
    if (this.#end === undefined) this.#wire?.giveUp();
    this.#finish(OctavoError.from(reason));
  }

  #finish(error: OctavoError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#call.context.leave(this);
    this.#wire?.forget();
    this.#stopSending();
    this.#wake();
    if (this.#opened) this.#call.end();
  }

  /** Unless another attempt may want more of it. */
  #stopSending(): void {
    if (this.#settled) void this.#call.items?.leave();
  }
}
