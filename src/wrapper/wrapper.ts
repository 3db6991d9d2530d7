import type { Context, Peer } from '../core/context.js';
import type { OctavoError } from '../core/error.js';
import type { Lifecycle } from '../core/lifecycle.js';
import type { Metadata } from '../core/metadata.js';
import type { PoolStats } from '../core/pool-stats.js';
import type { Resolve, Token } from '../core/provider.js';
import type { Access } from '../schema/access.js';
import type { Method, StreamKind } from '../schema/method.js';

/** What a wrapper sees of a call: unary or stream, on the way out or in, or an event that is published or delivered. */
export interface Call {
  readonly side: 'client' | 'server';
  readonly kind: StreamKind | 'event';
  /** The service that is called, or that a subscriber is of; nothing for an event that is published, which is to nobody. */
  readonly service: string;
  /** `Greeter.Hello`, or the topic. */
  readonly endpoint: string;
  readonly context: Context;
  /** What travels beside the request. A client's wrapper may add to it. */
  readonly metadata: Metadata;
  /**
   * The request, or the items of it as an async iterable. On the server it is decoded and validated when first touched, or just before
   * the handler: a wrapper that refuses without looking costs no decode.
   */
  readonly request: unknown;
  /** Whether the endpoint says that doing it twice is doing it once. */
  readonly idempotent: boolean;
  /** Where this attempt goes: in a client's `callWrappers`; when a call has ended, where the last one went. */
  readonly peer?: Peer | undefined;
  /** Counts the attempts of this call, from 1: in a client's `callWrappers`, and around the whole call when it has ended. */
  readonly attempt?: number | undefined;
  /** Gives this attempt up, and no other, for a reason that its other end is told: only in a client's `callWrappers`. */
  cut?(reason: OctavoError): void;
  /** The endpoint as its contract has it; nothing for an event, and for a call that no contract types. */
  readonly method?: Method | undefined;
  /** Which subscriber an event is for: `Greeter.OnGreeting`. */
  readonly subscriber?: string;
  /** What carries an event: the broker's name. */
  readonly broker?: string;
  /** Who may do this, as `@Allow` and `@Public` say of the handler or subscriber; nothing where they say nothing, and on a client. */
  readonly access?: Access | undefined;
  /** How the client's loop tries this call: a client's wrapper may set it. What the caller gave for the one call goes before it. */
  tries?: Tries | undefined;
}

/** How often and when a client's one loop tries a call again. What is left out is as the client's options have it. */
export interface Tries {
  readonly retries?: number;
  readonly backoff?: (retry: number) => number;
  readonly retry?: (error: OctavoError, attempt: number) => boolean;
  /** Is told of a failed attempt before anything else is decided: `true` where what was wrong is mended, so that the call is sent again, once, within the budget. */
  readonly mend?: (error: OctavoError) => Promise<boolean>;
}

/** What comes back: the reply, or its items as an async iterable; nothing for an event. */
export interface Reply {
  readonly body: unknown;
  readonly header?: Metadata;
  readonly trailer?: Metadata;
}

/** The rest of the way: the next wrapper, and in the end the handler or the wire. */
export type Next = (call: Call) => Promise<Reply>;

/**
 * Stands around calls. It may look, refuse by throwing, answer by itself, or `return next(call)` as it is, which costs least.
 *
 * The first one listed is the outermost. On a stream the reply comes when the stream opens; its items flow through `reply.body`.
 */
export interface Wrapper {
  (call: Call, next: Next): Promise<Reply>;
  /** Why it cannot stand at a place, with the remedy: asked where it is attached, which then fails with `failed_precondition`. */
  readonly unfit?: (place: Place) => string | undefined;
  /** What it has counted, which the services of the app show as `/metrics`. */
  readonly exposes?: Exposes;
  /** Whether it holds calls to what `@Allow` says: where nobody does, the start fails. */
  readonly guards?: boolean | undefined;
  /** Gives what is to be open while an app runs that it is attached in: started before the app serves, stopped after. The same function is asked once. */
  readonly joins?: (app: Assembled) => Lifecycle;
  /** What it says of its state, for metrics and `Debug.Stats`. */
  readonly readings?: () => Iterable<Reading>;
  /** The spans of a trace that it remembers, oldest first: what `Debug.Trace` shows. */
  readonly spans?: () => readonly SpanRecord[];
}

/** An app, as far as wrappers are concerned. */
export interface Assembled {
  /** Finds its parts, and makes those that nobody has asked for: not once it runs. */
  readonly resolve: Resolve;
  /** A part that was made, and `undefined` where nobody has asked for one, as for a transport where no server and client needs any. */
  readonly made: <T>(token: Token<T>) => T | undefined;
  /** Its clients and servers by name, with the connections that they have themselves. */
  readonly ends: readonly End[];
  /** Every wrapper that is attached in it, once for each place. */
  readonly wrappers: readonly Wrapper[];
}

/** A client or a server, as far as its connections are concerned. */
export interface End {
  readonly name: string;
  readonly dialled?: () => PoolStats | undefined;
  readonly accepted?: () => number | undefined;
}

/** One number that a wrapper says of its state. */
export interface Reading {
  readonly what: ReadingName;
  /** Whose it is: what the calls are told apart by. Empty for all of them. */
  readonly name: string;
  /** Of a breaker 0 closed, 1 half-open, 2 open. */
  readonly value: number;
}

/** What wrappers say of their state. What ends in `total` only grows. */
export type ReadingName =
  | 'breaker_state'
  | 'bulkhead_running'
  | 'bulkhead_waiting'
  | 'bulkhead_refused_total'
  | 'cache_entries'
  | 'cache_hits_total'
  | 'cache_misses_total'
  | 'ratelimit_names'
  | 'ratelimit_refused_total'
  | 'ratelimit_failed_total'
  | 'shed_limit'
  | 'shed_running'
  | 'shed_refused_total';

/** Metrics of a wrapper. */
export interface Exposes {
  /** What the names of its metrics begin with: in one app no two share one. */
  readonly prefixes: readonly string[];
  /** Everything, in the text format of Prometheus 0.0.4. */
  text(): Promise<string>;
}

/** A span that has ended. */
export interface SpanRecord {
  /** The ids of its trace, its own and its parent's, in hexadecimal; the parent's is empty where there is none. */
  readonly trace: string;
  readonly id: string;
  readonly parent: string;
  readonly name: string;
  readonly side: Call['side'];
  /** Milliseconds since the epoch, with a fraction. */
  readonly startedAt: number;
  readonly ms: number;
  readonly facts: Readonly<Record<string, string>>;
}

/** Where a wrapper is attached. */
export interface Place {
  /** Around a client's calls, each attempt of one, what it publishes, handlers, or subscribers. */
  readonly around: 'call' | 'attempt' | 'publish' | 'handler' | 'subscriber';
  /** Whom errors name: `Greeter.Hello`, or the whole client or server. */
  readonly name: string;
  /** The one endpoint that it is attached to; nothing where it stands around several. */
  readonly method?: Method;
  /** Whether the subscriber acknowledges by hand. */
  readonly manual?: boolean;
}

/** A wrapper that is a class, so that it can have things injected. */
export interface WrapperObject {
  handle(call: Call, next: Next): Promise<Reply>;
  /** As {@link Wrapper.unfit}. */
  unfit?(place: Place): string | undefined;
  /** As {@link Wrapper.exposes}. */
  readonly exposes?: Exposes;
  /** As {@link Wrapper.guards}. */
  readonly guards?: boolean;
  /** As {@link Wrapper.joins}. */
  readonly joins?: (app: Assembled) => Lifecycle;
  /** As {@link Wrapper.readings}. */
  readonly readings?: () => Iterable<Reading>;
}

/** What `@Wrap` takes. */
export type WrapperLike = Wrapper | Token<WrapperObject>;

/** One function out of many wrappers, with `last` in the middle. Made once for each endpoint. */
export function compose(wrappers: readonly Wrapper[], last: Next): Next {
  return wrappers.reduceRight<Next>((next, wrapper) => (call) => wrapper(call, next), last);
}
