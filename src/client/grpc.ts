import type { GrpcEncoding } from '../core/grpc-compression.js';
import { http2Dialler, type Http2Dialler } from '../core/http2/dial.js';
import type { PoolStats } from '../core/pool-stats.js';
import type { Provider } from '../core/provider.js';
import { Certificates, shownTls, type DialTls } from '../core/tls.js';
import type { Node } from '../registry/registry.js';
import { MESSAGE_LIMITS, type MessageLimits } from '../transport/transport.js';
import type { Reply } from '../wrapper/wrapper.js';
import type { ClientCall } from './calling/client-call.js';
import { tell, type Outcome } from './calling/outcome.js';
import { CallingClient, callingParts, type CallingClientParts } from './calling-client.js';
import type { Client, ClientOptions } from './client.js';
import { ClientDefaults } from './client-defaults.js';
import { Exchange } from './grpc/exchange.js';
import { Messages } from './grpc/messages.js';
import { Opener } from './grpc/opener.js';
import type { GrpcDialect } from './grpc/request.js';
import { Slot } from './grpc/slot.js';
import { Unary } from './grpc/unary.js';

export interface GrpcClientOptions extends ClientOptions, MessageLimits {
  /** How others are spoken to that do not say who they are, as where a call names an address. Nodes say it in the registry. @defaultValue `'grpc'` */
  readonly dialect?: GrpcDialect;
  /** How requests are packed. Replies are unpacked in any case. @defaultValue not at all */
  readonly compression?: GrpcEncoding;
  /** How many connections to one address are used at once, before any of them is full. @defaultValue `1` */
  readonly connections?: number;
  /** How much of one reply the other end may send before it is read, in bytes; one message may be longer. @defaultValue 256 KiB */
  readonly windowBytes?: number;
  /** For how long the other end may leave a message untaken, or one of its own half sent, in milliseconds; `0` is for ever. @defaultValue `60_000` */
  readonly timeoutMs?: number;
  /** Speaks TLS, and nothing else, with everybody. @defaultValue plain text */
  readonly tls?: DialTls;
}

const DEFAULTS = {
  ...MESSAGE_LIMITS,
  dialect: 'grpc' as GrpcDialect,
  compression: undefined as GrpcEncoding | undefined,
  connections: 1,
  windowBytes: 256 * 1024,
  timeoutMs: 60_000,
};

/** Calls services by gRPC itself: Octavo's, go-micro's, and any other. */
export class GrpcClient extends CallingClient {
  readonly name = 'grpc';
  readonly #opener: Opener;
  readonly #dialler: Http2Dialler<Slot>;
  readonly #certificates: Certificates | undefined;

  constructor(options: GrpcClientOptions, parts: CallingClientParts) {
    const { tls, ...others } = options;
    super(shownOptions(options), parts);
    const { clock, codecs } = parts;
    const { keepaliveMs, dialTimeoutMs } = this.options;
    const settings = { ...DEFAULTS, ...others };
    const { maxMessageBytes, maxHeaderBytes, maxHeaders, compression: encoding, dialect } = settings;
    this.#certificates = tls && new Certificates('the grpc client', tls, parts);
    this.#dialler = http2Dialler({
      who: 'the grpc client',
      clock,
      certificates: this.#certificates,
      options: {
        ...settings,
        keepaliveMs,
        headerTimeoutMs: 0,
        maxStreams: 0,
        headerBytes: maxHeaderBytes,
        headerPairs: maxHeaders,
      },
      socket: (session) => new Slot(session),
    });
    this.#opener = new Opener({
      dialler: this.#dialler,
      messages: new Messages({ codecs, encoding, maxMessageBytes }),
      pool: this.pool,
      dialTimeoutMs,
      maxMessageBytes,
      encoding,
      dialect,
      secure: tls !== undefined,
    });
  }

  /** Reads certificates, where there are any. Connections are opened by calls. */
  override start(): void | Promise<void> {
    return this.#certificates?.start();
  }

  override async stop(): Promise<void> {
    await super.stop();
    this.#dialler.destroy();
    this.#certificates?.stop();
  }

  override connections(): PoolStats {
    return this.#dialler.stats;
  }

  protected speaks({ metadata }: Node): boolean {
    return (metadata['protocol'] ?? metadata['server']) === 'grpc';
  }

  protected send(call: ClientCall, node: Node, outcome: Outcome): void {
    if (call.kind === 'unary') new Unary(this.#opener, call, node, outcome).start();
    else tell(outcome, () => this.#stream(call, node));
  }

  async #stream(call: ClientCall, node: Node): Promise<Reply> {
    const exchange = new Exchange(this.#opener, call);
    await exchange.open(node);
    return { body: exchange };
  }
}

/** Calls by gRPC. */
export function grpc(options: GrpcClientOptions = {}): Provider<Client> {
  return (resolve) =>
    new GrpcClient({ ...resolve(ClientDefaults).options, ...options }, callingParts(resolve));
}

/** Options as anybody may see them: without keys. */
function shownOptions({ tls, ...others }: GrpcClientOptions): GrpcClientOptions {
  return tls === undefined ? others : { ...others, tls: shownTls(tls) };
}
