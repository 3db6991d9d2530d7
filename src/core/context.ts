import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from './clock.js';
import { OctavoError } from './error.js';
import type { Logger } from './logger.js';
import { Metadata } from './metadata.js';
import { principalOf, type Principal } from './principal.js';
import type { PeerCertificate } from './tls.js';

/** Who is at the other end of a call. */
export interface Peer {
  /** `host:port`, or what the transport calls the other end. */
  readonly address: string;
  /** Whether it speaks Octavo's dialect, so that half-close, details and trailers work. */
  readonly octavo: boolean;
  /** What its certificate says, where it was asked for one and that was checked. */
  readonly certificate?: PeerCertificate;
}

export type { CertificatePrincipal, Principal } from './principal.js';

/** Counts the messages of a call, and the bytes of their bodies. */
export interface Meter {
  received(bytes: number): void;
  sent(bytes: number): void;
}

export interface ContextInit {
  readonly service: string;
  readonly endpoint: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the other side sent, or how to find it when it is first asked for. */
  readonly metadata: Metadata | (() => Metadata);
  readonly peer: Peer;
  /** Milliseconds since the epoch, as {@link Clock.now} counts. */
  readonly deadline?: number | undefined;
  /** What the clock says, where somebody has looked just now. */
  readonly now?: number;
  readonly attempt?: number;
}

/** A thing that may be given up. Cheaper than an `AbortSignal`, which costs more than the rest of a call. */
export interface Cancellation {
  /** Why it was given up; `undefined` while it was not. */
  readonly cancelled: OctavoError | undefined;
  /** Calls `listener` once when it is given up; at once when it was already. Returns what takes the listener away. */
  onCancel(listener: (reason: OctavoError) => void): () => void;
}

type Listener = (reason: OctavoError) => void;

/** Something that ends with a call. As an object it costs less than a listener, which there would be several of for each call. */
export interface Follower {
  /** Called once, when the call is cancelled. */
  cancelled(reason: OctavoError): void;
  /** Called once, when its handler is about to run: every wrapper has let it in. */
  callBegun?(): void;
  /** Called once, when the call is over without that, with how it failed where that is known. */
  callEnded?(error: OctavoError | undefined): void;
}

const storage = new AsyncLocalStorage<Context>();

/**
 * What a handler knows of its call beside the request, and how it learns that nobody waits any longer.
 *
 * Calls made inside a handler find it by {@link Context.current} and inherit its deadline and cancellation.
 */
export class Context implements Cancellation {
  readonly service: string;
  /** `Greeter.Hello`, or the topic of an event. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly peer: Peer;
  /** When the call began here, in milliseconds since the epoch. */
  readonly begunAt: number;
  /** Counts the deliveries of an event, or the tries of a call, from 1. */
  readonly attempt: number;
  /** Who calls: from the start whom the certificate of {@link peer} names, and then what a wrapper says. */
  principal: Principal | undefined;
  /** Whether its handler was begun: what a wrapper refused before that was not executed. Known where there are wrappers. */
  handled = false;
  /** A wrapper sets it, and the wire tells it what it decodes and encodes. */
  meter: Meter | undefined = undefined;

  #deadline: number | undefined;
  #metadata: Metadata | (() => Metadata);
  readonly #logger: Logger;
  #log: Logger | undefined;
  #reply: ReplyMetadata | undefined;
  #reason: OctavoError | undefined;
  /** What a call has one of, and there may be more. */
  #follower: Follower | undefined;
  #followers: Follower[] | undefined;
  #controller: AbortController | undefined;
  #ended = false;
  #failure: OctavoError | undefined;

  constructor(init: ContextInit) {
    this.service = init.service;
    this.endpoint = init.endpoint;
    this.clock = init.clock;
    this.#metadata = init.metadata;
    this.peer = init.peer;
    if (init.peer.certificate !== undefined) this.principal = principalOf(init.peer.certificate);
    this.#deadline = init.deadline;
    this.begunAt = init.now ?? init.clock.now();
    this.attempt = init.attempt ?? 1;
    this.#logger = init.logger;
  }

  /** The context of the handler that this code runs in, however deep and after however many awaits. */
  static current(): Context | undefined {
    return storage.getStore();
  }

  /** Calls `run` with this context as the current one. */
  run<T>(run: () => T): T {
    return storage.run(this, run);
  }

  /** What the caller sent beside the request, without the names of the wire. */
  get metadata(): Metadata {
    if (typeof this.#metadata === 'function') this.#metadata = this.#metadata();
    return this.#metadata;
  }

  /** What {@link metadata} gives, where that is there already: on an outgoing call mostly nobody asks for it. */
  get knownMetadata(): Metadata | undefined {
    return typeof this.#metadata === 'function' ? undefined : this.#metadata;
  }

  /** A logger that adds service and endpoint to each record. */
  get log(): Logger {
    const { service, endpoint } = this;
    return (this.#log ??= this.#logger.child({ ...(service !== '' && { service }), endpoint }));
  }

  /** What goes back beside the reply. The header leaves with the first message of the reply, the trailer with the last. */
  get reply(): ReplyMetadata {
    return (this.#reply ??= { header: new Metadata(), trailer: new Metadata() });
  }

  /** What the handler put beside the reply, where it did. */
  get replied(): ReplyMetadata | undefined {
    return this.#reply;
  }

  /** When the answer must be out, in milliseconds since the epoch; `undefined` for a stream without a deadline. */
  get deadline(): number | undefined {
    return this.#deadline;
  }

  /** Milliseconds until the deadline, never negative; `Infinity` without one. */
  get remainingMs(): number {
    return this.deadline === undefined ? Infinity : Math.max(0, this.deadline - this.clock.now());
  }

  /** Brings the deadline forward: it travels, and calls made inside keep to it. Whoever does so cancels the call when it has come. */
  shorten(deadline: number): void {
    if (this.#deadline === undefined || deadline < this.#deadline) this.#deadline = deadline;
  }

  /** Why nobody waits any longer: the caller left or cancelled, the deadline passed, the server stops. */
  get cancelled(): OctavoError | undefined {
    return this.#reason;
  }

  /** Whether the reply is out, so that nothing can be cancelled any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Fires when the call is cancelled, with an {@link OctavoError} as its reason. Made when first touched. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /**
   * Calls `listener` once when the call is cancelled; at once when it was already. Cheaper than a listener on the signal.
   *
   * @returns a function that takes the listener away
   */
  onCancel(listener: Listener): () => void {
    const follower: Follower = { cancelled: listener };
    this.follow(follower);
    return () => this.leave(follower);
  }

  /** Tells a follower once when the call is cancelled or over; at once when it was already. */
  follow(follower: Follower): void {
    if (this.#reason !== undefined) follower.cancelled(this.#reason);
    else if (this.#ended) follower.callEnded?.(this.#failure);
    else if (this.#follower === undefined && this.#followers === undefined) this.#follower = follower;
    else (this.#followers ??= []).push(follower);
  }

  /** Takes a follower away. One that is none is ignored. */
  leave(follower: Follower): void {
    if (this.#follower === follower) {
      this.#follower = undefined;
      return;
    }
    const at = this.#followers?.indexOf(follower) ?? -1;
    if (at >= 0) this.#followers?.splice(at, 1);
  }

  /**
   * Cancels the call: the signal fires, and so do the calls made inside it. Only the first reason counts, and none after the end.
   *
   * What a listener throws is logged, and keeps no other from being told.
   */
  cancel(reason: OctavoError): void {
    if (this.#reason !== undefined || this.#ended) return;
    this.#reason = reason;
    // One at a time, as each may take others away.
    for (let next = this.#shift(); next !== undefined; next = this.#shift()) this.#tell(next, reason);
    this.#controller?.abort(reason);
  }

  /** The follower that came first, which follows no longer. */
  #shift(): Follower | undefined {
    const first = this.#follower;
    if (first === undefined) return this.#followers?.shift();
    this.#follower = undefined;
    return first;
  }

  #tell(follower: Follower, reason: OctavoError): void {
    try {
      follower.cancelled(reason);
    } catch (error) {
      this.log.error('what listens for the cancellation of a call failed', { error });
    }
  }

  /** Says that its handler is about to run. */
  begin(): void {
    if (this.handled) return;
    this.handled = true;
    this.#follower?.callBegun?.();
    if (this.#followers !== undefined) for (const each of this.#followers) each.callBegun?.();
  }

  /** Says that the reply is out: a cancellation after it means nothing. */
  end(error?: OctavoError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = error;
    // Those that are being told of a cancellation are told, even where the first of them ends the call.
    if (this.#reason !== undefined) return;
    const first = this.#follower;
    const others = this.#followers;
    this.#follower = undefined;
    this.#followers = undefined;
    first?.callEnded?.(error);
    if (others !== undefined) for (const each of others) each.callEnded?.(error);
  }

  /** Throws the reason when the call is cancelled. */
  throwIfCancelled(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** A context for work that outlives the reply: same principal and metadata, no deadline, a signal of its own. */
  detach(): Context {
    const detached = new Context({
      service: this.service,
      endpoint: this.endpoint,
      clock: this.clock,
      logger: this.#logger,
      metadata: this.metadata,
      peer: this.peer,
      attempt: this.attempt,
    });
    detached.principal = this.principal;
    return detached;
  }
}

/** Metadata of a reply. */
export interface ReplyMetadata {
  readonly header: Metadata;
  readonly trailer: Metadata;
}

export interface EventContextInit extends ContextInit {
  readonly id: string;
  readonly acknowledge: () => void;
  readonly refuse: (options: NackOptions) => void;
}

export interface NackOptions {
  /** How long to wait before the next delivery, in milliseconds. @defaultValue the back-off of the subscription */
  readonly delayMs?: number;
}

/** What a subscriber knows of an event beside its body. */
export class EventContext extends Context {
  readonly topic: string;
  /** The publisher's id of the event; the same at every delivery. Empty where the publisher gave none. */
  readonly id: string;
  readonly #init: EventContextInit;

  constructor(init: EventContextInit) {
    super(init);
    this.topic = init.endpoint;
    this.id = init.id;
    this.#init = init;
  }

  /** Says that the event is dealt with. Only with `ack: 'manual'`; else the return of the handler says it. */
  ack(): void {
    this.#init.acknowledge();
  }

  /** Asks for another delivery. Only with `ack: 'manual'`; else a throw says it. */
  nack(options: NackOptions = {}): void {
    this.#init.refuse(options);
  }
}
