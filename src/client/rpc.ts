import { Broker } from '../broker/broker.js';
import { Codecs } from '../codec/codecs.js';
import { Clock } from '../core/clock.js';
import { Context } from '../core/context.js';
import { Crowd } from '../core/crowd.js';
import { Deadlines } from '../core/deadlines.js';
import { OctavoError } from '../core/error.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import type { Node } from '../registry/registry.js';
import { Selector } from '../selector/selector.js';
import type { StreamKind } from '../schema/method.js';
import { POOL, Transport, type PoolOptions, type Socket } from '../transport/transport.js';
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
import { ClientDefaults } from './client-defaults.js';
import { Attempts } from './rpc/attempts.js';
import { Caller } from './rpc/caller.js';
import { ClientCall } from './rpc/client-call.js';
import { eventMessage } from './rpc/event.js';
import { Exchange } from './rpc/exchange.js';
import { Nodes } from './rpc/nodes.js';
import { promised, Settling, tell, type Outcome } from './rpc/outcome.js';
import { Outbox } from './rpc/outbox.js';
import { RpcStream } from './rpc/stream.js';
import { Unary, type UnaryParts } from './rpc/unary.js';
import { codecFor, isGoMicro, readReply } from './rpc/wire.js';

/** What the rpc client stands on. */
export interface RpcClientParts {
  readonly transport: Transport;
  readonly selector: Selector;
  readonly broker: Broker;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly logger: Logger;
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

/** Calls services by go-micro's rpc protocol, mucp, on whatever transport there is. */
export class RpcClient extends Client {
  readonly name = 'rpc';
  readonly options: ClientOptions & typeof DEFAULTS;
  readonly #parts: RpcClientParts;
  readonly #attempts: Attempts;
  /** All that is inside the wrappers of a call. Every call that comes this way was made by this class. */
  readonly #innermost: Next = (call) =>
    promised((outcome) => this.#attempts.start(call as ClientCall, outcome));
  readonly #wrapped: Next;
  readonly #deadlines: Deadlines;
  readonly #active = new Crowd<ClientCall>();
  readonly #pool: Required<PoolOptions>;
  readonly #caller: Caller;
  readonly #unary: UnaryParts;
  #sequence = 0;

  constructor(options: ClientOptions, parts: RpcClientParts) {
    super();
    this.options = { ...DEFAULTS, ...options };
    this.#parts = parts;
    const { poolSize = POOL.size, poolTtlMs = POOL.ttlMs } = options;
    const { maxConnections = POOL.maxConnections, maxQueue = POOL.maxQueue } = options;
    this.#pool = { size: poolSize, ttlMs: poolTtlMs, maxConnections, maxQueue };
    const { selector, clock, transport, codecs, logger } = parts;
    this.#caller = new Caller({ clock, logger, forward: options.forward });
    this.#deadlines = new Deadlines(clock);
    this.#unary = { codecs, dial: (call, node) => this.#dial(call, node, false) };
    this.#attempts = new Attempts(this.options, {
      selector,
      clock,
      nodes: new Nodes(selector, clock, transport.name),
      send: (call, node, outcome) => this.#attempt(call, node, outcome),
    });
    attach(options.wrappers ?? NONE, { around: 'call', name: 'a client' });
    attach(options.callWrappers ?? NONE, { around: 'attempt', name: 'a client' });
    this.#wrapped = compose(options.wrappers ?? [], this.#innermost);
  }

  start(): void {
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
        reject(reason);
      };
      call.context.onCancel(fail);
      this.#go(call, { succeed: resolve, fail });
    });
    return new RpcStream({ context: call.context, request, outbox, reply });
  }

  async publish(request: PublishRequest, options: PublishCallOptions = {}): Promise<void> {
    const { codecs, broker } = this.#parts;
    const { contentType = this.options.contentType } = request;
    const { forward } = this.options;
    const message = eventMessage({ ...request, contentType }, options, { codecs, forward });
    await broker.publish(request.topic, message, options);
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
    const { callWrappers = NONE } = this.options;
    if (callWrappers.length === 0) return this.#send(call, node, outcome);
    // As above: every call is of this class.
    const send: Next = (it) => promised((inner) => this.#send(it as ClientCall, node, inner));
    tell(outcome, () => compose(callWrappers, send)(call));
  }

  #send(call: ClientCall, node: Node, outcome: Outcome): void {
    const id = String(this.#sequence++);
    if (call.kind === 'unary') new Unary(this.#unary, call, node, outcome).start(id);
    else tell(outcome, () => this.#open(call, node, id));
  }

  /** Opens a stream. Its items come as they are asked for. */
  async #open(call: ClientCall, node: Node, id: string): Promise<Reply> {
    const { codecs } = this.#parts;
    const codec = codecFor(codecs, call.contentType);
    const socket = await this.#dial(call, node, true);
    call.waitsFor('the stream from', node.address);
    const octavo = call.peer?.octavo || (isGoMicro(node) ? false : undefined);
    const exchange = new Exchange({
      call,
      socket,
      codec,
      id,
      octavo,
      keepaliveMs: this.options.keepaliveMs,
      read: (message) => readReply(codecs, call, message, call.method?.reply),
      onEnd: () => call.end(),
    });
    await exchange.open();
    return { body: exchange };
  }

  /** A connection, at once where one is free. */
  #dial(call: ClientCall, node: Node, stream: boolean): MaybePromise<Socket> {
    const { context } = call;
    call.waitsFor('a connection to', node.address);
    const dialled = this.#parts.transport.dial(node.address, {
      stream,
      idempotent: call.idempotent,
      timeoutMs: this.options.dialTimeoutMs,
      pool: this.#pool,
      cancellation: context,
      secure: node.metadata['secure'] === 'true',
    });
    if (!isPromise(dialled)) return dialled;
    return dialled.then((socket) => {
      if (context.cancelled === undefined) return socket;
      socket.close(context.cancelled);
      throw context.cancelled;
    });
  }
}

/** Calls by go-micro's rpc protocol. */
export function rpc(options: ClientOptions = {}): Provider<Client> {
  return (resolve) =>
    new RpcClient(
      { ...resolve(ClientDefaults).options, ...options },
      {
        transport: resolve(Transport),
        selector: resolve(Selector),
        broker: resolve(Broker),
        codecs: resolve(Codecs),
        clock: resolve(Clock),
        logger: resolve(Logger),
      },
    );
}

interface Beginning {
  readonly kind: StreamKind;
  readonly request: CallRequest | StreamRequest;
  readonly body: unknown;
  readonly options: CallOptions;
  readonly timeoutMs: number | undefined;
}

const NONE: readonly Wrapper[] = [];
