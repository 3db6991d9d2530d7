import type { Follower } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import type { FramedMessage, GrpcFrame } from '../../core/grpc-frames.js';
import { isPromise } from '../../core/lifecycle.js';
import type { Node } from '../../registry/registry.js';
import type { ClientCall } from '../calling/client-call.js';
import type { Outcome } from '../calling/outcome.js';
import { metadataIn } from './ending.js';
import type { Opener } from './opener.js';
import type { ReplyOwner, ReplyWire } from './reply-wire.js';
import type { Slot } from './slot.js';

/** One attempt of a call that is no stream: a message there, and one back. */
export class Unary implements ReplyOwner, Follower {
  readonly #opener: Opener;
  readonly #call: ClientCall;
  readonly #node: Node;
  readonly #outcome: Outcome;
  #wire: ReplyWire | undefined = undefined;
  #reply: GrpcFrame | undefined = undefined;
  #over = false;

  constructor(opener: Opener, call: ClientCall, node: Node, outcome: Outcome) {
    this.#opener = opener;
    this.#call = call;
    this.#node = node;
    this.#outcome = outcome;
  }

  start(): void {
    this.#call.attempting = this;
    try {
      const { messages } = this.#opener;
      const message = messages.write(this.#call, messages.codecOf(this.#call), this.#call.request);
      if (isPromise(message))
        message.then((it) => this.#dial(it)).catch((reason: unknown) => this.#fail(reason));
      else this.#dial(message);
    } catch (reason) {
      this.#fail(reason);
    }
  }

  answered(): void {
    const { onHeader } = this.#call.options;
    if (onHeader !== undefined) this.#show(() => onHeader(metadataIn(this.#wire?.header ?? {})));
  }

  arrived(): void {
    if (this.#over) return;
    try {
      const frame = this.#wire?.next();
      if (frame === undefined) return;
      if (this.#reply !== undefined) throw this.#wrong('gave a second reply');
      this.#reply = frame;
      // What comes after it is wrong, and is not to wait for ever.
      if (this.#wire?.next() !== undefined) throw this.#wrong('gave a second reply');
    } catch (reason) {
      this.#wire?.giveUp();
      this.#fail(reason);
    }
  }

  ended(error: OctavoError | undefined): void {
    if (this.#over) return;
    const wire = this.#wire;
    const { onTrailer } = this.#call.options;
    if (onTrailer !== undefined && wire?.trailer !== undefined)
      this.#show(() => onTrailer(metadataIn(wire.trailer ?? {})));
    if (error !== undefined) return this.#fail(error);
    if (wire === undefined || this.#reply === undefined)
      return this.#fail(this.#wrong('ended without a reply'));
    try {
      const value = this.#opener.messages.read(this.#call, wire, this.#reply);
      if (isPromise(value))
        value.then(
          (it) => this.#succeed(it),
          (reason: unknown) => this.#fail(reason),
        );
      else this.#succeed(value);
    } catch (reason) {
      this.#fail(reason);
    }
  }

  /** The call was cancelled, or this attempt: nobody waits for the reply, and the other end is told. */
  cancelled(reason: OctavoError): void {
    this.#wire?.giveUp();
    this.#fail(reason);
  }

  #dial(message: FramedMessage): void {
    const slot = this.#opener.dial(this.#call, this.#node);
    if (isPromise(slot))
      slot.then((it) => this.#send(it, message)).catch((reason: unknown) => this.#fail(reason));
    else this.#send(slot, message);
  }

  #send(slot: Slot, message: FramedMessage): void {
    // It may have been given up meanwhile.
    if (this.#over) return slot.leave();
    const wire = this.#opener.open(slot, this.#call, this.#node, this);
    this.#wire = wire;
    this.#call.context.follow(this);
    void wire.write(message.head, message.body);
    wire.halfClose();
    this.arrived();
  }

  #succeed(body: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#outcome.succeed({ body });
  }

  #fail(reason: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#outcome.fail(reason);
  }

  #end(): void {
    const call = this.#call;
    this.#over = true;
    call.context.leave(this);
    if (call.attempting === this) call.attempting = undefined;
  }

  #show(show: () => void): void {
    try {
      show();
    } catch (reason) {
      this.#wire?.giveUp();
      this.#fail(reason);
    }
  }

  #wrong(what: string): OctavoError {
    const { service, endpoint } = this.#call;
    return new OctavoError('internal', `${service} ${endpoint} ${what}`);
  }
}
