import { Broker } from '../broker/broker.js';
import { Codecs } from '../codec/codecs.js';
import { Clock } from '../core/clock.js';
import { Context } from '../core/context.js';
import { Crowd } from '../core/crowd.js';
import { Deadlines } from '../core/deadlines.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Resolve } from '../core/provider.js';
import { Metadata } from '../core/metadata.js';
import type { Node } from '../registry/registry.js';
import { Selector } from '../selector/selector.js';
import type { StreamKind } from '../schema/method.js';
import { POOL, type PoolOptions } from '../transport/transport.js';
import { attach } from '../wrapper/attach.js';
import { compose, type Next, type Reply, type Wrapper } from '../wrapper/wrapper.js';
import {
  Client,
  type CallOptions,
  type CallRequest,
  type ClientOptions,
  type ClientStream,
  type PublishCallOptions,
  type PublishRequest,
  type StreamRequest,
} from './client.js';
import { Attempts } from './calling/attempts.js';
import { CalledStream } from './calling/called-stream.js';
import { Caller, outgoingMetadata } from './calling/caller.js';
import { ClientCall } from './calling/client-call.js';
import { eventMessage } from './calling/event.js';
import { Nodes } from './calling/nodes.js';
import { promised, Settling, tell, type Outcome } from './calling/outcome.js';
import { Outbox } from './calling/outbox.js';
import { PublishCall } from './calling/publish-call.js';

/** What every calling client stands on. */
export interface CallingClientParts {
  readonly selector: Selector;
  readonly broker: Broker;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What every calling client finds in the container. */
export function callingParts(resolve: Resolve): CallingClientParts {
  return {
    selector: resolve(Selector),
    broker: resolve(Broker),
    codecs: resolve(Codecs),
    clock: resolve(Clock),
    logger: resolve(Logger),
  };
}

const DEFAULTS = {
  contentType: 'application/protobuf',
  dialTimeoutMs: 5_000,
  requestTimeoutMs: 5_000,
  retries: 1,
  keepaliveMs: 30_000,
  maxInFlight: 100_000,
};

/** How often the event loop goes round before calls that are still in flight are cancelled at the stop: replies that were sent arrive meanwhile. */
const LAST_TURNS = 20;

/** A client of one wire: wrappers, deadlines, nodes, attempts and events are the same on each; how a call goes out is the wire's. */
export abstract class CallingClient extends Client {
  readonly options: ClientOptions & typeof DEFAULTS;
  /** What is kept open to each address. */
  protected readonly pool: Required<PoolOptions>;
  readonly #parts: CallingClientParts;
  readonly #attempts: Attempts;
  /** All that is inside the wrappers of a call. Every call that comes this way was made by this class. */
  readonly #innermost: Next = (call) =>
    promised((outcome) => this.#attempts.start(call as ClientCall, outcome));
  readonly #wrapped: Next;
  /** What becomes of an event inside its wrappers; nothing where there are none. */
  readonly #publishing: Next | undefined;
  /** Gives an event to the broker, as its wrappers left it. Every event that comes this way was made by this class. */
  readonly #publish: Next = async (call) => {
    const { codecs, broker } = this.#parts;
    const { context, metadata, event, options } = call as PublishCall;
    context.throwIfCancelled();
    const message = eventMessage(event, new Metadata(metadata), codecs);
    context.meter?.sent(message.body.length);
    await broker.publish(event.topic, message, { ...options, signal: context.signal });
    return { body: undefined };
  };
  readonly #deadlines: Deadlines;
  readonly #active = new Crowd<ClientCall>();
  readonly #caller: Caller;

  constructor(options: ClientOptions, parts: CallingClientParts) {
    super();
    this.options = { ...DEFAULTS, ...options };
    this.#parts = parts;
    const { poolSize = POOL.size, poolTtlMs = POOL.ttlMs } = options;
    const { maxConnections = POOL.maxConnections, maxQueue = POOL.maxQueue } = options;
    this.pool = { size: poolSize, ttlMs: poolTtlMs, maxConnections, maxQueue };
    const { selector, clock, logger } = parts;
    this.#caller = new Caller({ clock, logger, forward: options.forward });
    this.#deadlines = new Deadlines(clock);
    this.#attempts = new Attempts(this.options, {
      selector,
      clock,
      nodes: new Nodes(selector, clock, (node) => this.speaks(node)),
      send: (call, node, outcome) => this.#attempt(call, node, outcome),
    });
    attach(options.wrappers ?? NONE, { around: 'call', name: 'a client' });
    attach(options.callWrappers ?? NONE, { around: 'attempt', name: 'a client' });
    this.#wrapped = compose(options.wrappers ?? [], this.#innermost);
    const { publishWrappers = NONE } = options;
    attach(publishWrappers, { around: 'publish', name: 'a client' });
    this.#publishing = publishWrappers.length === 0 ? undefined : compose(publishWrappers, this.#publish);
  }

  /** Whether it can speak to a node. Nodes that do not say what they speak are old, and speak mucp. */
  protected abstract speaks(node: Node): boolean;

  /**
   * Makes one attempt of a call at a node, and tells once how it went; it does not throw.
   *
   * The reply of a call whose reply is a stream is an `AsyncIterable` of its items, as soon as the stream is open, and `call.end()` is for
   * the wire to say when nothing more will happen on it. The call's `context` tells of its cancellation, the deadline's among them.
   */
  protected abstract send(call: ClientCall, node: Node, outcome: Outcome): void;

  start(): void | Promise<void> {
    // Connections are opened by calls.
  }

  /** What has its reply under way gets it; the rest is cancelled. */
  async stop(): Promise<void> {
    for (let turn = 0; turn < LAST_TURNS && this.#active.size > 0; turn++) await new Promise(setImmediate);
    for (const { context } of this.#active)
      context.cancel(new OctavoError('cancelled', 'the client was stopped'));
  }

  call(request: CallRequest, options: CallOptions = {}): Promise<unknown> {
    // What is thrown while it is made is a rejection, too.
    return new Promise((resolve, reject) => {
      const { requestTimeoutMs } = this.options;
      const timeoutMs = options.timeoutMs ?? request.method?.options.timeoutMs ?? requestTimeoutMs;
      const call = this.#begin({ kind: 'unary', request, body: request.body, options, timeoutMs });
      this.#go(call, new Settling(call, resolve, reject));
    });
  }

  stream(request: StreamRequest, options: CallOptions = {}): ClientStream {
    const { method, body } = request;
    const outbox = body === undefined ? new Outbox<unknown>() : undefined;
    const timeoutMs = options.timeoutMs ?? method?.options.timeoutMs;
    const given = request.kind ?? (method?.kind === 'unary' ? undefined : method?.kind) ?? 'bidi';
    // The one request of a server stream may come by `send`, as in go-micro: then it is an item like others.
    const kind = given === 'server' && outbox !== undefined ? 'bidi' : given;
    const call = this.#begin({ kind, request, body: outbox ?? body, options, timeoutMs });
    const reply = new Promise<Reply>((resolve, reject) => {
      const fail = (reason: unknown): void => {
        call.end();
        void call.items?.leave();
        reject(reason);
      };
      call.context.onCancel(fail);
      this.#go(call, { succeed: resolve, fail });
    });
    return new CalledStream({ context: call.context, request, outbox, reply });
  }

  async publish(request: PublishRequest, options: PublishCallOptions = {}): Promise<void> {
    const { codecs, broker } = this.#parts;
    const { topic, contentType = this.options.contentType } = request;
    const event = { ...request, contentType };
    const outer = Context.current();
    const publishing = this.#publishingInside(options.wrappers ?? NONE, topic);
    if (publishing === undefined) {
      const metadata = outgoingMetadata(options.metadata, outer, this.options.forward);
      return broker.publish(topic, eventMessage(event, metadata, codecs), options);
    }
    const context = this.#caller.event(topic, options.metadata, outer);
    const call = new PublishCall({ event, context, options, broker: broker.name });
    try {
      await publishing(call);
    } finally {
      call.end();
    }
  }

  /** What an event goes through; `undefined` where there is no wrapper. */
  #publishingInside(own: readonly Wrapper[], topic: string): Next | undefined {
    if (own.length === 0) return this.#publishing;
    attach(own, { around: 'publish', name: topic });
    const { publishWrappers = NONE } = this.options;
    return compose([...publishWrappers, ...own], this.#publish);
  }

  #begin({ kind, request, body, options, timeoutMs }: Beginning): ClientCall {
    const { service, endpoint, method } = request;
    const { metadata } = options;
    const outer = Context.current();
    const call = new ClientCall({
      kind,
      service,
      endpoint,
      context: this.#caller.context({ service, endpoint, metadata, timeoutMs, outer }),
      request: body,
      contentType: options.contentType ?? request.contentType ?? this.options.contentType,
      method,
      options,
      active: this.#active,
      outer,
    });
    call.begin(this.#deadlines);
    return call;
  }

  /** Has a call made, inside its wrappers where there are any. */
  #go(call: ClientCall, outcome: Outcome): void {
    const { maxInFlight, wrappers = NONE } = this.options;
    if (this.#active.size > maxInFlight) {
      const what = `${maxInFlight} calls are in flight already (maxInFlight)`;
      return outcome.fail(new OctavoError('resource_exhausted', what, { executed: false }));
    }
    const own = call.options.wrappers ?? NONE;
    if (own.length > 0) tell(outcome, () => this.#inside(wrappers, own, call));
    else if (wrappers.length > 0) tell(outcome, () => this.#wrapped(call));
    else this.#attempts.start(call, outcome);
  }

  #inside(wrappers: readonly Wrapper[], own: readonly Wrapper[], call: ClientCall): Promise<Reply> {
    attach(own, { around: 'call', name: call.endpoint });
    return compose([...wrappers, ...own], this.#innermost)(call);
  }

  #attempt(call: ClientCall, node: Node, outcome: Outcome): void {
    call.peer = { address: node.address, octavo: node.metadata['octavo'] !== undefined };
    call.attempt = (call.attempt ?? 0) + 1;
    const { callWrappers = NONE } = this.options;
    if (callWrappers.length === 0) return this.send(call, node, outcome);
    // As above: every call is of this class.
    const send: Next = (it) => promised((inner) => this.send(it as ClientCall, node, inner));
    tell(outcome, () => compose(callWrappers, send)(call));
  }
}

interface Beginning {
  readonly kind: StreamKind;
  readonly request: CallRequest | StreamRequest;
  readonly body: unknown;
  readonly options: CallOptions;
  readonly timeoutMs: number | undefined;
}

const NONE: readonly Wrapper[] = [];
