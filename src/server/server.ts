import type { Context, EventContext } from '../core/context.js';
import type { Lifecycle } from '../core/lifecycle.js';
import type { Page } from '../core/probes.js';
import type { Subscriber } from '../broker/broker.js';
import type { Node } from '../registry/registry.js';
import type { Access } from '../schema/access.js';
import type { Method } from '../schema/method.js';
import type { MessageType } from '../schema/message-type.js';
import type { Reading, Wrapper } from '../wrapper/wrapper.js';

/** An endpoint and the code behind it. */
export interface Endpoint {
  readonly method: Method;
  /** Takes the request, or an async iterable of its items; gives the reply, or an async iterable of its items. */
  readonly handler: (request: unknown, context: Context) => unknown;
  readonly wrappers: readonly Wrapper[];
}

/** How often a refused event is tried again, by the subscriber's side. */
export interface SubscriptionRetry {
  /** How many deliveries there are in all. @defaultValue `5` */
  readonly attempts?: number;
  /** How long to wait before a delivery, in milliseconds, counted from 1 for the second one; longer, up to a minute, where what was thrown says so (`retry_after`). @defaultValue 100 ms doubled for each, at most 10 s, with full jitter */
  readonly backoff?: (retry: number) => number;
}

/** What `@Subscribe` says beside topic and type. */
export interface SubscriptionOptions {
  /** Subscribers with one queue share the events. @defaultValue each node gets all */
  readonly queue?: string;
  /** @defaultValue one delivery */
  readonly retry?: SubscriptionRetry;
  /** Whether an event that was refused to the end is published to `<topic>.dead`. @defaultValue `false` */
  readonly deadLetter?: boolean;
  /** `'manual'` leaves it to `context.ack()` and `context.nack()`. @defaultValue `'auto'`, after the handler */
  readonly ack?: 'auto' | 'manual';
  /** Whether events wait for the queue while no node is there. Fails at start without a `queue`, and where the broker cannot. @defaultValue `false` */
  readonly durable?: boolean;
}

/** A topic and the code behind it. */
export interface Subscription {
  readonly topic: string;
  readonly type: MessageType;
  /** What the registry calls it: `Greeter.OnGreeting`. */
  readonly name: string;
  readonly handler: (event: unknown, context: EventContext) => unknown;
  readonly options: SubscriptionOptions;
  readonly wrappers: readonly Wrapper[];
  /** Whose events it takes, as `@Allow` and `@Public` say. */
  readonly access?: Access | undefined;
}

/** A listener for probes alone. */
export interface AdminOptions {
  /** Where it listens. */
  readonly address: string;
  /** For how long a request may take to arrive, in milliseconds. @defaultValue `5_000` */
  readonly timeoutMs?: number;
  /** How many connections it holds open; more are closed as they come. @defaultValue `128` */
  readonly maxConnections?: number;
}

/** What a server may show of its app. */
export interface Insight {
  /** What `/metrics` is answered with; `undefined` where nothing counts. */
  page(): Promise<Page> | undefined;
  /** What the wrappers say of their state. */
  readings(): Iterable<Reading>;
}

/** What every server's options have in common. */
export interface ServerOptions {
  /** The service's name in the registry. @defaultValue the service's */
  readonly name?: string;
  /** What makes its node's id, `<name>-<id>`. @defaultValue a new UUID */
  readonly id?: string;
  readonly version?: string;
  /** Where to listen. @defaultValue `'127.0.0.1:0'`, loopback and a free port */
  readonly address?: string;
  /** What others are told to dial, `host` or `host:port`. @defaultValue the bound address */
  readonly advertise?: string;
  /** Added to the node's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** For how long the registry knows the node without hearing of it, in milliseconds. @defaultValue `90_000` */
  readonly registerTtlMs?: number;
  /** How often it renews, in milliseconds, at most half the TTL. @defaultValue `30_000` */
  readonly registerIntervalMs?: number;
  /** Stand around every handler, outside the handler's own. */
  readonly wrappers?: readonly Wrapper[];
  /** Stand around every subscriber, outside the subscriber's own. */
  readonly subscriberWrappers?: readonly Wrapper[];
  /** What answers `Debug.*`; `false` for nothing. @defaultValue `Debug.Health`, `Debug.Stats` and `Debug.Log`, and `Debug.Trace` where the trace wrapper stands */
  readonly debug?: false | readonly Endpoint[];
  /** Opens `/health`, `/ready` and `/metrics` at an address of their own, for transports that show none. @defaultValue none */
  readonly admin?: AdminOptions;
  /** The limit of a unary call whose caller and endpoint name none, in milliseconds. @defaultValue `5_000` */
  readonly requestTimeoutMs?: number;
  /** After which silence of an Octavo caller a stream is given up, in milliseconds; `0` is never. @defaultValue `30_000` */
  readonly keepaliveMs?: number;
  /** For how long a stream may carry no item either way, in milliseconds; `0` is for ever. `@Handler({ idleMs })` goes before it. @defaultValue `600_000` */
  readonly streamIdleMs?: number;
  /** How many unary calls run at once; more are refused at once, unexecuted, with `resource_exhausted`. @defaultValue `10_000` */
  readonly maxInFlight?: number;
  /** How many streams are open at once; more are refused likewise. @defaultValue `10_000` */
  readonly maxStreams?: number;
  /** For how long `stop` waits for calls and events in flight before it cancels them, in milliseconds. @defaultValue `10_000` */
  readonly drainMs?: number;
  /** For how long `stop` goes on serving after it deregistered, so that callers learn, in milliseconds. @defaultValue `0`, as an Octavo caller goes elsewhere when it is refused; `1_000` where others have called, which do not */
  readonly lingerMs?: number;
}

/**
 * Answers calls: it reads them from a wire, gives them to the dispatcher, and writes what comes back.
 *
 * A service may have several, each a node of its own. `octavo/conformance/server` says whether an implementation is one.
 */
export abstract class Server implements Lifecycle {
  /** What logs and errors call this implementation, and the `server` in its node's metadata. */
  abstract readonly name: string;
  abstract readonly options: ServerOptions;
  /** What is in the registry while it runs. */
  abstract readonly node: Node | undefined;

  /** Adds endpoints. Throws `failed_precondition` for a name that is taken, and after `start`. */
  abstract handle(endpoints: readonly Endpoint[]): void;

  /** Adds subscriptions. Before `start` they begin with it; after it, now. */
  abstract subscribe(subscriptions: readonly Subscription[]): Promise<readonly Subscriber[]>;

  /** Is told before the start what to show of the app. Left out where nothing can be shown. */
  expose?(insight: Insight): void;

  /** How many connections others have dialled to it, where it knows: metrics show it. */
  connections?(): number | undefined;

  /** Listens, subscribes and registers, in this order. */
  abstract start(): Promise<void>;
  /** Deregisters, goes on while callers learn, refuses new calls, finishes those in flight, unsubscribes and closes. */
  abstract stop(): Promise<void>;

  /** Puts the node into the registry, or renews it. */
  abstract register(): Promise<void>;
  /** Takes the node out of the registry; calls are still served. */
  abstract deregister(): Promise<void>;
}
