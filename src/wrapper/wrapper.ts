import type { Context, Peer } from '../core/context.js';
import type { Metadata } from '../core/metadata.js';
import type { Token } from '../core/provider.js';
import type { StreamKind } from '../schema/method.js';

/** What a wrapper sees of a call: unary or stream, on the way out or in, or an event. */
export interface Call {
  readonly side: 'client' | 'server';
  readonly kind: StreamKind | 'event';
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
  /** Where this attempt goes: only in a client's `callWrappers`. */
  readonly peer?: Peer;
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
export type Wrapper = (call: Call, next: Next) => Promise<Reply>;

/** A wrapper that is a class, so that it can have things injected. */
export interface WrapperObject {
  handle(call: Call, next: Next): Promise<Reply>;
}

/** What `@Wrap` takes. */
export type WrapperLike = Wrapper | Token<WrapperObject>;

/** One function out of many wrappers, with `last` in the middle. Made once for each endpoint. */
export function compose(wrappers: readonly Wrapper[], last: Next): Next {
  return wrappers.reduceRight<Next>((next, wrapper) => (call) => wrapper(call, next), last);
}
