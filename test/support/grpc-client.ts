import * as grpc from '@grpc/grpc-js';
import { once } from 'node:events';
import {
  Client,
  type CallOptions,
  type CallRequest,
  type ClientStream,
  type PublishRequest,
  type StreamRequest,
} from '../../src/client/client.js';
import { rpc } from '../../src/client/rpc.js';
import { Clock } from '../../src/core/clock.js';
import { Context } from '../../src/core/context.js';
import { CODES, OctavoError } from '../../src/core/error.js';
import { fromGrpc, toGrpc } from '../../src/core/grpc-metadata.js';
import { Logger } from '../../src/core/logger.js';
import { Metadata } from '../../src/core/metadata.js';
import type { Provider, Resolve } from '../../src/core/provider.js';
import type { Method } from '../../src/schema/method.js';
import { codeOf } from '../../src/core/grpc-status.js';
import { readStatus } from '../../src/schema/rpc-status.js';
import { schemaOf } from '../../src/schema/schema.js';

type Duplex = grpc.ClientDuplexStream<Uint8Array, Buffer>;

/**
 * As much of a gRPC client as the promises of a server need: grpc-js's own client, to one address or one that each call gives.
 *
 * It tries nothing again and asks no registry.
 */
export class GrpcTestClient extends Client {
  readonly name = 'grpc-js';
  readonly options = {};
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** For events, which are no business of gRPC's. */
  readonly #publisher: Client;
  readonly #address: () => string;
  readonly #channels = new Map<string, grpc.Client>();

  constructor(resolve: Resolve, address: () => string) {
    super();
    this.#clock = resolve(Clock);
    this.#logger = resolve(Logger);
    this.#publisher = rpc()(resolve);
    this.#address = address;
  }

  async call(request: CallRequest, options: CallOptions = {}): Promise<unknown> {
    const stream = this.#open(request, request.body, 'unary', { timeoutMs: 5_000, ...options });
    const reply = await stream.receive();
    await stream.receive();
    return reply;
  }

  stream(request: StreamRequest, options: CallOptions = {}): ClientStream {
    return this.#open(request, request.body, request.kind ?? 'bidi', options);
  }

  async publish(request: PublishRequest): Promise<void> {
    await this.#publisher.publish(request);
  }

  start(): void {
    // Channels are opened by calls.
  }

  stop(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #open(
    request: CallRequest | StreamRequest,
    body: unknown,
    kind: Method['kind'],
    options: CallOptions,
  ): GrpcStream {
    const { service, endpoint, method } = request;
    const path = `/${method?.package ?? service}.${endpoint.replace('.', '/')}`;
    const metadata = new grpc.Metadata();
    for (const [name, value] of toGrpc(new Metadata(options.metadata))) metadata.add(name, value);
    const { timeoutMs, signal } = options;
    const deadline = timeoutMs === undefined || timeoutMs === 0 ? Infinity : new Date(Date.now() + timeoutMs);
    const asIs = (bytes: Buffer): Buffer => bytes;
    const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    // Any kind of call is one of these on the wire.
    const duplex = this.#channel(options).makeBidiStreamRequest(path, buffer, asIs, metadata, {
      deadline,
    });
    signal?.addEventListener('abort', () => duplex.cancel());
    if (signal?.aborted === true) duplex.cancel();
    const context = new Context({
      service,
      endpoint,
      clock: this.#clock,
      logger: this.#logger,
      metadata: new Metadata(),
      peer: { address: '', octavo: false },
    });
    const stream = new GrpcStream(duplex, method, { context, request, options });
    if (kind === 'client' || kind === 'bidi') void stream.pump(body);
    else if (body !== undefined) void stream.pump([body]);
    return stream;
  }

  #channel({ address }: CallOptions): grpc.Client {
    const target = (typeof address === 'string' ? address : address?.[0]) ?? this.#address();
    const known = this.#channels.get(target);
    if (known !== undefined) return known;
    const channel = new grpc.Client(target, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 20,
    });
    this.#channels.set(target, channel);
    return channel;
  }
}

interface GrpcStreamInit {
  readonly context: Context;
  readonly request: CallRequest | StreamRequest;
  readonly options: CallOptions;
}

class GrpcStream implements ClientStream {
  readonly context: Context;
  readonly request: StreamRequest;
  error: OctavoError | undefined;
  readonly #duplex: Duplex;
  readonly #method: Method | undefined;
  readonly #items: AsyncIterator<Buffer>;

  constructor(duplex: Duplex, method: Method | undefined, { context, request, options }: GrpcStreamInit) {
    this.#duplex = duplex;
    this.#method = method;
    this.context = context;
    this.request = request as StreamRequest; // a unary one is not shown
    const { onHeader, onTrailer } = options;
    duplex.on('metadata', (head) => onHeader?.(plain(head)));
    duplex.on('status', ({ metadata }) => onTrailer?.(plain(metadata)));
    duplex.on('error', (reason: grpc.ServiceError) => (this.error ??= errorOf(reason)));
    this.#items = duplex[Symbol.asyncIterator]();
  }

  /** Sends what there is and half-closes. */
  async pump(items: unknown): Promise<void> {
    if (items === undefined) return;
    try {
      for await (const item of items as AsyncIterable<unknown>) await this.send(item);
      await this.closeSend();
    } catch (reason) {
      this.error ??= OctavoError.from(reason);
      this.#duplex.cancel();
    }
  }

  async send(item: unknown): Promise<void> {
    const bytes =
      this.#method === undefined
        ? (item as Uint8Array)
        : schemaOf(this.#method.request).encode(item as object);
    if (!this.#duplex.destroyed && !this.#duplex.write(bytes))
      await Promise.race([once(this.#duplex, 'drain'), once(this.#duplex, 'close')]);
  }

  async closeSend(): Promise<void> {
    this.#duplex.end();
  }

  async receive(): Promise<unknown> {
    try {
      const step = await this.#items.next();
      if (step.done === true) {
        if (this.error !== undefined) throw this.error;
        return undefined;
      }
      return this.#method === undefined ? step.value : schemaOf(this.#method.reply).decode(step.value);
    } catch (reason) {
      throw (this.error ??= errorOf(reason as grpc.ServiceError));
    }
  }

  async close(): Promise<void> {
    this.#duplex.cancel();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<unknown> {
    try {
      for (let item = await this.receive(); item !== undefined; item = await this.receive()) yield item;
    } finally {
      await this.close();
    }
  }
}

function plain(from: grpc.Metadata): Metadata {
  return fromGrpc(
    Object.entries(from.toJSON()).flatMap(([name, values]) => values.map((value) => [name, value] as const)),
  );
}

function errorOf(reason: grpc.ServiceError): OctavoError {
  const [details] = reason.metadata?.get('grpc-status-details-bin') ?? [];
  if (Buffer.isBuffer(details)) return readStatus(details);
  const code = codeOf(reason.code);
  // As near as grpc-js says: these are calls for which it found no connection.
  const unsent =
    CODES[code].grpc === grpc.status.UNAVAILABLE && /No connection established/.test(reason.details);
  return new OctavoError(code, reason.details, unsent ? { executed: false } : {});
}

/** Calls by grpc-js's own client. */
export function grpcTestClient(address: () => string): Provider<Client> {
  return (resolve) => new GrpcTestClient(resolve, address);
}
