import { Broker } from '../broker/broker.js';
import { Codecs } from '../codec/codecs.js';
import { Clock } from '../core/clock.js';
import type { Context } from '../core/context.js';
import { OctavoError } from '../core/error.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import type { Node } from '../registry/registry.js';
import { Selector } from '../selector/selector.js';
import type { StreamKind } from '../schema/method.js';
import { POOL, Transport, type PoolOptions, type Socket } from '../transport/transport.js';
import { compose, type Next, type Reply } from '../wrapper/wrapper.js';
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
import { outgoing } from './rpc/caller.js';
import { ClientCall } from './rpc/client-call.js';
import { eventMessage } from './rpc/event.js';
import { Exchange } from './rpc/exchange.js';
import { Nodes } from './rpc/nodes.js';
import { Outbox } from './rpc/outbox.js';
import { RpcStream } from './rpc/stream.js';
import { codecFor, errorOf, readReply, requestHeader, showMetadata } from './rpc/wire.js';

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
  readonly #run: Next;
  readonly #attempts: Attempts;
  readonly #active = new Set<Context>();
  readonly #pool: Required<PoolOptions>;
  #sequence = 0;

  constructor(options: ClientOptions, parts: RpcClientParts) {
    super();
    this.options = { ...DEFAULTS, ...options };
    this.#parts = parts;
    const { poolSize = POOL.size, poolTtlMs = POOL.ttlMs } = options;
    const { maxConnections = POOL.maxConnections, maxQueue = POOL.maxQueue } = options;
    this.#pool = { size: poolSize, ttlMs: poolTtlMs, maxConnections, maxQueue };
    // Every call that comes this way was made by this class.
    this.#run = compose(options.wrappers ?? [], (call) => this.#attempts.run(call as ClientCall));
    const { selector, clock, transport } = parts;
    this.#attempts = new Attempts(options, {
      selector,
      clock,
      nodes: new Nodes(selector, clock, transport.name),
      send: (call, node) => this.#attempt(call, node),
    });
  }

  start(): void {
    // Connections are opened by calls.
  }

  /** What has its reply under way gets it; the rest is cancelled. */
  async stop(): Promise<void> {
    for (let turn = 0; turn < LAST_TURNS && this.#active.size > 0; turn++) await new Promise(setImmediate);
    for (const context of [...this.#active])
      context.cancel(new OctavoError('cancelled', 'the client was stopped'));
  }

  async call(request: CallRequest, options: CallOptions = {}): Promise<unknown> {
    const { service, endpoint, body, method } = request;
    const { retries, requestTimeoutMs } = this.options;
    const timeoutMs = options.timeoutMs ?? method?.options.timeoutMs ?? requestTimeoutMs;
    const { call, done } = this.#begin({
      service,
      endpoint,
      body,
      request,
      options: { retries, ...options },
      timeoutMs,
    });
    try {
      return (await until(call.context, this.#wrapped(call))).body;
    } finally {
      done();
    }
  }

  stream(request: StreamRequest, options: CallOptions = {}): ClientStream {
    const { service, endpoint, method, body } = request;
    const { retries } = this.options;
    const outbox = body === undefined ? new Outbox<unknown>() : undefined;
    const timeoutMs = options.timeoutMs ?? method?.options.timeoutMs;
    const kind = request.kind ?? (method?.kind === 'unary' ? undefined : method?.kind) ?? 'bidi';
    const { call } = this.#begin({
      service,
      endpoint,
      body: outbox ?? body,
      request,
      options: { retries, ...options },
      timeoutMs,
      kind,
    });
    const reply = until(call.context, this.#wrapped(call));
    reply.catch(() => call.done());
    return new RpcStream({ context: call.context, request, outbox, reply });
  }

  async publish(request: PublishRequest, options: PublishCallOptions = {}): Promise<void> {
    const { codecs, broker } = this.#parts;
    const { contentType = this.options.contentType } = request;
    const { forward } = this.options;
    const message = eventMessage({ ...request, contentType }, options, { codecs, forward });
    await broker.publish(request.topic, message, options);
  }

  #begin(init: Beginning): { call: ClientCall; done: () => void } {
    const { service, endpoint, body, request, options, timeoutMs, kind = 'unary' } = init;
    const { clock, logger } = this.#parts;
    const { context, done } = outgoing(
      { service, endpoint, clock, logger, options, timeoutMs, forward: this.options.forward ?? [] },
      (ms) =>
        new OctavoError(
          'deadline_exceeded',
          `${service} ${endpoint} took longer than ${Math.round(ms)} ms: it waited for ${call.waiting}`,
        ),
    );
    const contentType = options.contentType ?? request.contentType ?? this.options.contentType;
    const { method } = request;
    const over = (): void => {
      this.#active.delete(context);
      done();
    };
    const call = new ClientCall({
      kind,
      service,
      endpoint,
      context,
      request: body,
      contentType,
      method,
      options,
      done: over,
    });
    this.#active.add(context);
    return { call, done: over };
  }

  #wrapped(call: ClientCall): Promise<Reply> {
    const { maxInFlight } = this.options;
    if (this.#active.size > maxInFlight) {
      const what = `${maxInFlight} calls are in flight already (maxInFlight)`;
      return Promise.reject(new OctavoError('resource_exhausted', what, { executed: false }));
    }
    const { wrappers } = call.options;
    if (wrappers === undefined) return this.#run(call);
    // As above: every call is of this class.
    return compose([...(this.options.wrappers ?? []), ...wrappers], (it) =>
      this.#attempts.run(it as ClientCall),
    )(call);
  }

  #attempt(call: ClientCall, node: Node): Promise<Reply> {
    call.peer = { address: node.address, octavo: node.metadata['octavo'] !== undefined };
    const send: Next = (it) =>
      it.kind === 'unary' ? this.#unary(it as ClientCall, node) : this.#open(it as ClientCall, node);
    const { callWrappers } = this.options;
    return callWrappers === undefined ? send(call) : compose(callWrappers, send)(call);
  }

  async #unary(call: ClientCall, node: Node): Promise<Reply> {
    const { codecs } = this.#parts;
    const { service, endpoint, method, context } = call;
    const codec = codecFor(codecs, call.contentType);
    const id = String(this.#sequence++);
    const body = codec.write({ kind: 'request', id, service, endpoint }, call.request, method?.request);
    const dialled = this.#dial(call, node, false);
    const socket = isPromise(dialled) ? await dialled : dialled;
    const forget = context.onCancel((reason) => socket.close(reason));
    try {
      call.waitsFor('the reply of', node.address);
      const sent = socket.send({ header: requestHeader(call, id, isGoMicro(node)), body });
      if (isPromise(sent)) await sent;
      const received = socket.receive();
      const message = isPromise(received) ? await received : received;
      context.throwIfCancelled();
      if (message === undefined)
        throw new OctavoError(
          'unavailable',
          `${node.address} closed the connection without a reply of ${service} ${endpoint}`,
        );
      showMetadata(call, message, { last: true });
      const error = errorOf(message);
      if (error !== undefined) throw error;
      return { body: readReply(codecs, call, message, method?.reply) };
    } finally {
      forget();
      socket.close();
    }
  }

  /** Opens a stream. Its items come as they are asked for. */
  async #open(call: ClientCall, node: Node): Promise<Reply> {
    const { codecs } = this.#parts;
    const codec = codecFor(codecs, call.contentType);
    const socket = await this.#dial(call, node, true);
    const id = String(this.#sequence++);
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
      onEnd: call.done,
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
      timeoutMs: Math.min(this.options.dialTimeoutMs, context.remainingMs),
      pool: this.#pool,
      cancellation: context,
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
  readonly service: string;
  readonly endpoint: string;
  readonly body: unknown;
  readonly request: CallRequest | StreamRequest;
  readonly options: CallOptions;
  readonly timeoutMs: number | undefined;
  readonly kind?: StreamKind;
}

/**
 * Whether a node says that it is go-micro's. A call there has a stream's id too: by that its server tells the calls of a connection apart,
 * as it reads no other over http, and loses one that follows the last reply too closely.
 */
function isGoMicro({ metadata }: Node): boolean {
  return metadata['protocol'] !== undefined && metadata['octavo'] === undefined;
}

/** The outcome of a call, or at once the reason it was cancelled for. */
function until(context: Context, outcome: Promise<Reply>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    context.onCancel(reject);
    outcome.then(resolve, reject);
  });
}
