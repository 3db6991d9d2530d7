import type { Context } from '../core/context.js';
import type { Lifecycle, MaybePromise } from '../core/lifecycle.js';
import type { Metadata, MetadataInit } from '../core/metadata.js';
import type { OctavoError } from '../core/error.js';
import type { PoolStats } from '../core/pool-stats.js';
import type { Method, StreamKind } from '../schema/method.js';
import type { MessageType } from '../schema/message-type.js';
import type { Filter, Strategy } from '../selector/selector.js';
import type { Wrapper } from '../wrapper/wrapper.js';

/** What one call may say for itself. Anything left out is taken from {@link ClientOptions}. */
export interface CallOptions {
  /** Goes here, or to one of these, and asks no selector. */
  readonly address?: string | readonly string[];
  /** For how long the whole call may take, tries included, in milliseconds; `0` is for ever. A stream has no limit unless this is given. */
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Travels beside the request. Names that belong to the wire are refused. */
  readonly metadata?: MetadataInit;
  /** How many more attempts there may be after the first. */
  readonly retries?: number;
  /** How long to wait before an attempt, in milliseconds, counted from 1 for the second one. */
  readonly backoff?: (retry: number) => number;
  /** Whether to try again after this error. @defaultValue where it is `retryable`, and the endpoint `idempotent` or the request not executed */
  readonly retry?: (error: OctavoError, attempt: number) => boolean;
  readonly contentType?: string;
  readonly filters?: readonly Filter[];
  readonly strategy?: Strategy;
  /** Stand around this call, inside the client's own. */
  readonly wrappers?: readonly Wrapper[];
  /** Whether to wait for a node until the deadline, where there is none yet. @defaultValue `false` */
  readonly waitForReady?: boolean;
  /** Gets the metadata that came with the first message of the reply, before the caller gets the reply. */
  readonly onHeader?: (header: Metadata) => void;
  /** Gets the metadata that came with the end of the reply. */
  readonly onTrailer?: (trailer: Metadata) => void;
}

/** How many retries there may be, for each service. */
export interface RetryBudgetOptions {
  /** The share of calls that may be retried. @defaultValue `0.2` */
  readonly ratio?: number;
  /** Over which calls and retries are counted, in milliseconds. @defaultValue `10_000` */
  readonly windowMs?: number;
  /** How many retries there may be in a window however few calls there are. @defaultValue `10` */
  readonly minimum?: number;
}

/** What every client's options have in common: the defaults of all its calls, and how it reaches others. */
export interface ClientOptions {
  /** @defaultValue `'application/protobuf'` */
  readonly contentType?: string;
  /** Idle connections kept for each address. @defaultValue `100` */
  readonly poolSize?: number;
  /** For how long a connection is used again, in milliseconds since it was opened. @defaultValue `60_000` */
  readonly poolTtlMs?: number;
  /** How many connections there are to each address; calls wait for one, inside their deadline. @defaultValue `4_096` */
  readonly maxConnections?: number;
  /** How many calls wait for a connection to one address; more are refused at once with `resource_exhausted`. @defaultValue `4_096` */
  readonly maxQueue?: number;
  /** How many calls and streams are in flight at once; more are refused at once with `resource_exhausted`. @defaultValue `100_000` */
  readonly maxInFlight?: number;
  /** @defaultValue `5_000` */
  readonly dialTimeoutMs?: number;
  /** The limit of a unary call that names none, in milliseconds. @defaultValue `5_000` */
  readonly requestTimeoutMs?: number;
  /** After which silence of an Octavo peer a stream is given up, in milliseconds; `0` is never. @defaultValue `30_000` */
  readonly keepaliveMs?: number;
  /** More attempts after the first. @defaultValue `1` */
  readonly retries?: number;
  /** @defaultValue full jitter under 100 ms, doubled for each retry, at most 2 s */
  readonly backoff?: (retry: number) => number;
  readonly retry?: (error: OctavoError, attempt: number) => boolean;
  /** How many retries there may be, lest they be what keeps a service down. @defaultValue a fifth of the calls of the last 10 s, and 10 */
  readonly retryBudget?: RetryBudgetOptions;
  /** Stand around every call: once, whatever the number of attempts. */
  readonly wrappers?: readonly Wrapper[];
  /** Stand around every attempt. */
  readonly callWrappers?: readonly Wrapper[];
  /** Stand around every event that is published. */
  readonly publishWrappers?: readonly Wrapper[];
  /** Names of metadata that calls made inside a handler pass on. `Authorization` only when it is listed. @defaultValue none */
  readonly forward?: readonly string[];
}

/** A call, typed by a contract's method or not typed at all. */
export interface CallRequest {
  readonly service: string;
  /** `Greeter.Hello`. */
  readonly endpoint: string;
  /** What the method's request takes. Without a method: a JSON value for a JSON content type, else the encoded bytes. */
  readonly body: unknown;
  readonly contentType?: string;
  readonly method?: Method;
}

/** A stream to open. */
export interface StreamRequest {
  readonly service: string;
  readonly endpoint: string;
  /** @defaultValue the method's, else `'bidi'` */
  readonly kind?: Exclude<StreamKind, 'unary'>;
  /** The one request of a server stream, or an iterable of items to send. Without it use `send` and `closeSend`. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly method?: Method;
}

/** An open stream: what comes is read by iteration or `receive`, not by both. */
export interface ClientStream<I = unknown, O = unknown> extends AsyncIterable<O> {
  readonly context: Context;
  readonly request: StreamRequest;
  /** Why it ended, where it did not end in order. */
  readonly error: OctavoError | undefined;
  /** Sends one item; wait for it before the next one. */
  send(item: I): Promise<void>;
  /** Half-close: no more items, while those of the other side still come. Not known to go-micro: see `docs/wire.md`. */
  closeSend(): Promise<void>;
  /** The next item; `undefined` after the end. Rejects with what the other side ended with. */
  receive(): Promise<O | undefined>;
  /** Ends both directions; the handler at the other side is cancelled. */
  close(): Promise<void>;
}

/** An event to publish that no contract types. */
export interface PublishRequest {
  readonly topic: string;
  readonly body: unknown;
  readonly contentType?: string;
  /** The class of the body; without it a JSON value or the encoded bytes. */
  readonly type?: MessageType;
}

export interface PublishCallOptions {
  readonly metadata?: MetadataInit;
  readonly key?: string;
  readonly signal?: AbortSignal;
  /** Stand around this event, inside the client's own. */
  readonly wrappers?: readonly Wrapper[];
}

/**
 * Calls services by name.
 *
 * Classes made by `ClientOf` and `PublisherOf` stand on it, so whatever keeps this contract serves them.
 * `octavo/conformance/client` says whether an implementation does.
 */
export abstract class Client implements Lifecycle {
  /** What logs and errors call this implementation. */
  abstract readonly name: string;
  abstract readonly options: ClientOptions;

  /** Sends one request and resolves with the reply. */
  abstract call(request: CallRequest, options?: CallOptions): Promise<unknown>;

  /** Opens a stream. It returns at once; what goes wrong is seen by whoever sends or receives. */
  abstract stream(request: StreamRequest, options?: CallOptions): ClientStream;

  /** Publishes an event through the broker. */
  abstract publish(request: PublishRequest, options?: PublishCallOptions): Promise<void>;

  /** The connections that it keeps itself, where it keeps any: metrics show it. */
  connections?(): PoolStats;

  abstract start(): MaybePromise<void>;
  /** Cancels what is in flight and lets connections go. */
  abstract stop(): MaybePromise<void>;
}
