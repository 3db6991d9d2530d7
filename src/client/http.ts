import { defined } from '../core/defined.js';
import { inAll, type PoolStats } from '../core/pool-stats.js';
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
import type { Connections, WholeConnections } from './http/asking.js';
import { Http1 } from './http/http1.js';
import { Http2 } from './http/http2.js';
import { StreamExchange } from './http/stream-exchange.js';
import { Targets } from './http/target.js';
import { Unary, type Writing } from './http/unary.js';
import { WholeLines } from './http/whole-lines.js';
import { WholeStreams } from './http/whole-streams.js';

export interface HttpClientOptions extends ClientOptions, MessageLimits {
  /** The version of HTTP that calls go by. Streams both ways always go by HTTP/2. @defaultValue `'1.1'` */
  readonly version?: '1.1' | '2';
  /** Whether calls of idempotent endpoints go by GET, so that caches on the way may answer them. @defaultValue `false` */
  readonly get?: boolean;
  /** From how many bytes on requests are packed with gzip; with it, servers are asked to pack their replies, which are read in any case. @defaultValue nothing is packed */
  readonly compressBytes?: number;
  /** Speaks TLS with all whose address does not begin with `http://`; without it, with those whose address begins with `https://`, and nodes that say so. */
  readonly tls?: DialTls;
}

/** The connections that are open. */
interface Versions {
  readonly whole: WholeConnections;
  readonly http1: Connections;
  readonly http2: Connections;
}

/** Calls services by the Connect protocol: Octavo's own over `http()`, and any other Connect server by its address. */
export class HttpClient extends CallingClient {
  readonly name = 'http';
  readonly #certificates: Certificates;
  readonly #targets: Targets;
  readonly #writing: Writing;
  readonly #connect: () => Versions;
  readonly #only2: boolean;
  #open: Versions | undefined;

  constructor(options: HttpClientOptions, parts: CallingClientParts) {
    const { tls, ...others } = options;
    super(tls === undefined ? options : { ...others, ...{ tls: shownTls(tls) } }, parts);
    const { clock, codecs } = parts;
    const limits = { ...MESSAGE_LIMITS, ...defined(options) };
    const { version = '1.1', get = false, compressBytes = Infinity } = options;
    this.#only2 = version === '2';
    this.#targets = new Targets(tls !== undefined);
    this.#certificates = new Certificates('the http client', tls ?? {}, parts);
    this.#writing = { codecs, get, compressBytes, maxMessageBytes: limits.maxMessageBytes };
    const { dialTimeoutMs, keepaliveMs } = this.options;
    const { maxHeaderBytes, maxHeaders } = limits;
    this.#connect = () => {
      const all = { clock, certificates: this.#certificates, pool: this.pool, dialTimeoutMs };
      const http2 = new Http2({ ...all, keepaliveMs, maxHeaderBytes, maxHeaders });
      const whole = this.#only2
        ? new WholeStreams(http2, limits.maxMessageBytes)
        : new WholeLines({ ...all, limits });
      return { whole, http1: new Http1({ ...all, maxHeaderBytes }), http2 };
    };
  }

  /** Reads certificates. Connections are opened by calls. */
  override async start(): Promise<void> {
    await this.#certificates.start();
  }

  override async stop(): Promise<void> {
    await super.stop();
    this.#open?.whole.destroy();
    this.#open?.http1.destroy();
    this.#open?.http2.destroy();
    this.#open = undefined;
    this.#certificates.stop();
  }

  override connections(): PoolStats {
    const { whole, http1, http2 } = this.#open ?? {};
    return inAll([whole, http1, http2].filter((each) => each !== undefined));
  }

  /** Nodes that say so: one that says nothing of its protocol is old, and speaks mucp. */
  protected speaks({ metadata }: Node): boolean {
    return metadata['protocol'] === 'http';
  }

  protected send(call: ClientCall, node: Node, outcome: Outcome): void {
    try {
      const target = this.#targets.of(node);
      const { whole, http1, http2 } = (this.#open ??= this.#connect());
      if (call.kind === 'unary') return new Unary(this.#writing, whole, call, target, outcome).start();
      // HTTP/1.1 has no word for two streams at once: proxies and servers take the whole request before the answer.
      const bothWays = (call.method?.kind ?? call.kind) === 'bidi';
      const connections = this.#only2 || bothWays ? http2 : http1;
      const exchange = new StreamExchange(this.#writing, connections, call, target);
      tell(outcome, async (): Promise<Reply> => {
        await exchange.open();
        return { body: exchange };
      });
    } catch (reason) {
      outcome.fail(reason);
    }
  }
}

/** Calls by the Connect protocol. */
export function http(options: HttpClientOptions = {}): Provider<Client> {
  return (resolve) =>
    new HttpClient({ ...resolve(ClientDefaults).options, ...options }, callingParts(resolve));
}
