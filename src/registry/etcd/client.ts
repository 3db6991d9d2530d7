import { rootCertificates } from 'node:tls';
import type { Etcd3, IOptions } from 'etcd3';
import { isLoopback } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { parseHttpAddress, type HttpAddress } from '../../core/http-address.js';
import type { Logger } from '../../core/logger.js';
import { peer } from '../../core/peer.js';
import { Certificates, type Credentials } from '../../core/tls.js';
import { changesIn, rangeOf, type Change, type Range } from './changes.js';
import { noServer, refusalOf, steady, trying } from './faults.js';
import { LACKING, serverNameOf, type EtcdTls } from './tls.js';

export interface EtcdClientOptions {
  readonly addresses: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly tls?: EtcdTls;
  readonly timeoutMs?: number;
  readonly connectTimeoutMs?: number;
}

export interface EtcdClientParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is under a key. */
export interface Stored {
  readonly key: string;
  readonly value: string;
}

type Library = Pick<typeof import('etcd3'), 'Etcd3'>;

/** How long after a failed attempt the next one is made. */
const RETRY_MS = 250;
/** Bytes of the longest answer: a thousand nodes may say a lot. */
const MOST_BYTES = 64 * 1024 * 1024;
/** A server that leaves a ping unanswered so long is gone. etcd cuts off who asks more often than every 5 s. */
const PING_MS = 5_000;
const PONG_MS = 2_000;

/**
 * What a registry needs of etcd, on the bare calls of the library: its own watcher throws where nobody can catch it, and hides what it lost.
 * `docs/decisions/etcd.md` says more.
 */
export class EtcdClient {
  readonly #who = 'the etcd registry';
  readonly #options: EtcdClientOptions;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #addresses: readonly HttpAddress[];
  readonly #where: string;
  readonly #timeoutMs: number;
  readonly #certificates: Certificates | undefined;
  #library: Library | undefined;
  #client: Etcd3 | undefined;
  /** What it was made with. */
  #credentials: Credentials | undefined;
  /** The one before certificates changed, while something may still be asked of it. */
  #before: Etcd3 | undefined;
  #starting: Promise<void> | undefined;
  /** Counts starts and stops, so that a start notices that it was overtaken. */
  #turn = 0;

  constructor(options: EtcdClientOptions, prefix: string, parts: EtcdClientParts) {
    this.#options = options;
    this.#prefix = prefix;
    this.#clock = parts.clock;
    this.#addresses = options.addresses.map((address) => parseHttpAddress(address, 2_379));
    this.#where = this.#addresses.map(({ shown }) => shown).join(', ');
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    const tls = options.tls ?? (this.#addresses.some((each) => each.tls) ? {} : undefined);
    this.#certificates = tls && new Certificates(this.#who, tls, parts, LACKING);
  }

  async start(): Promise<void> {
    this.#starting ??= this.#start(++this.#turn).catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    await this.#starting;
  }

  async stop(): Promise<void> {
    this.#turn++;
    this.#starting = undefined;
    this.#certificates?.stop();
    for (const client of [this.#client, this.#before]) client?.close();
    this.#client = undefined;
    this.#before = undefined;
  }

  /** Everything under keys that begin so, and at which revision. */
  async list(prefix: string): Promise<{ stored: readonly Stored[]; revision: bigint }> {
    const { kvs, header } = await this.#call(({ kv }) => kv.range(rangeOf(prefix)));
    const stored = kvs.map(({ key, value }) => ({ key: key.toString(), value: value.toString() }));
    return { stored, revision: BigInt(header.revision) };
  }

  async get(key: string): Promise<Stored | undefined> {
    const { kvs } = await this.#call(({ kv }) => kv.range({ key: Buffer.from(key) }));
    return kvs[0] && { key, value: kvs[0].value.toString() };
  }

  async put(key: string, value: string, lease: string | undefined): Promise<void> {
    const put = { key: Buffer.from(key), value: Buffer.from(value), ...(lease !== undefined && { lease }) };
    await this.#call(({ kv }) => kv.put(put));
  }

  async remove(key: string): Promise<void> {
    await this.#call(({ kv }) => kv.deleteRange({ key: Buffer.from(key) }));
  }

  /** A new lease of so many seconds; etcd makes them two at least. */
  async grant(seconds: number): Promise<string> {
    const { ID } = await this.#call(({ leaseClient }) => leaseClient.leaseGrant({ TTL: seconds }));
    return ID;
  }

  /** Renews a lease; `false` where it is gone. */
  async keepAlive(lease: string): Promise<boolean> {
    return this.#call(async ({ leaseClient }) => {
      const stream = await leaseClient.leaseKeepAlive({ deadline: this.#deadline() });
      const { TTL } = await new Promise<{ TTL: string }>((resolve, reject) => {
        stream.on('data', resolve);
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('the stream ended')));
        stream.write({ ID: lease });
      });
      stream.end();
      return TTL !== '0';
    });
  }

  /** Gives a lease back. Where that fails it ends by itself. */
  revoke(lease: string): void {
    this.#call(({ leaseClient }) => leaseClient.leaseRevoke({ ID: lease })).catch(() => {});
  }

  /** Resolves when there is nothing under a key any more. Rejects when that cannot be told. */
  async gone(key: string, signal: AbortSignal): Promise<void> {
    const one = { key: Buffer.from(key) };
    const { kvs, header } = await this.#call(({ kv }) => kv.range(one));
    if (kvs.length === 0 || signal.aborted) return;
    const end = new AbortController();
    const cut = (): void => end.abort();
    signal.addEventListener('abort', cut, { once: true });
    await this.#follow(one, BigInt(header.revision), end.signal, ({ value }) => value === undefined && cut());
  }

  /** Tells of every change after a revision, in order, until the signal. Rejects when there is no more to be told, as where etcd forgot them. */
  async follow(
    prefix: string,
    after: bigint,
    signal: AbortSignal,
    onChange: (change: Change) => void,
  ): Promise<void> {
    await this.#follow(rangeOf(prefix), after, signal, onChange);
  }

  async #follow(
    range: Range,
    after: bigint,
    signal: AbortSignal,
    onChange: (change: Change) => void,
  ): Promise<void> {
    await this.#call(async ({ watchClient }) => {
      const stream = await watchClient.watch();
      const cut = (): void => {
        // The library takes what is cancelled but not ended for a server that failed.
        stream.end();
        stream.cancel();
      };
      await new Promise<void>((resolve, reject) => {
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('the stream ended')));
        stream.on('data', (response) => {
          // What an emitter's listener throws is nobody's to catch.
          try {
            for (const change of changesIn(response)) onChange(change);
          } catch (reason) {
            reject(reason);
          }
        });
        signal.addEventListener('abort', () => resolve(), { once: true });
        if (signal.aborted) resolve();
        stream.write({
          create_request: { ...range, start_revision: String(after + 1n) },
        });
      }).finally(cut);
    });
  }

  async #start(turn: number): Promise<void> {
    const { connectTimeoutMs = 5_000, tls, user } = this.#options;
    if (serverNameOf(tls) !== undefined && user !== undefined)
      throw new OctavoError(
        'failed_precondition',
        `${this.#who} cannot check for tls.serverName where it has a user, as etcd3 asks for its token without it: have the certificate made for the host`,
      );
    await this.#certificates?.start();
    this.#library = await peer(this.#who, 'etcd3', () => import('etcd3'));
    const begin = this.#clock.now();
    for (;;) {
      const credentials = await this.#certificates?.asText();
      this.#credentials = credentials;
      const client = new this.#library.Etcd3(this.#libraryOptions(credentials));
      try {
        // A watch of somebody with a wrong password never says so.
        await client.kv.range({ key: Buffer.from(this.#prefix), count_only: true });
        if (turn !== this.#turn)
          throw new OctavoError('unavailable', `${this.#who} was stopped while it connected`);
        this.#client = client;
        return;
      } catch (cause) {
        client.close();
        const refusal = refusalOf(cause, this.#who, this.#where);
        if (refusal !== undefined) throw refusal;
        const ms = Math.round(this.#clock.now() - begin);
        if (ms + RETRY_MS > connectTimeoutMs || turn !== this.#turn)
          throw await noServer(cause, this.#who, this.#addresses, ms, this.#certificates);
        await this.#clock.sleep(RETRY_MS);
      }
    }
  }

  #libraryOptions({ ca, cert, key }: Partial<Credentials> = {}): IOptions {
    const named = this.#addresses.find(({ user }) => user !== undefined);
    const { user = named?.user, pass = named?.pass, tls } = this.#options;
    const secure = this.#certificates !== undefined;
    const name = serverNameOf(tls);
    return {
      hosts: this.#addresses.map(({ shown }) => `${secure ? 'https' : 'http'}://${shown}`),
      ...(secure && {
        credentials: {
          rootCertificate: Buffer.from((ca ?? rootCertificates).join('\n')),
          ...(key !== undefined && { privateKey: Buffer.from(key) }),
          ...(cert !== undefined && { certChain: Buffer.from(cert) }),
        },
      }),
      ...(user !== undefined && { auth: { username: user, password: pass ?? '' } }),
      // Streams have no end, and a deadline would be one.
      defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: this.#deadline() }),
      grpcOptions: {
        'grpc.keepalive_time_ms': PING_MS,
        'grpc.keepalive_timeout_ms': PONG_MS,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.min_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 1_000,
        'grpc.max_receive_message_length': MOST_BYTES,
        // A proxy is not asked for what is on this machine.
        'grpc.enable_http_proxy': this.#addresses.some(({ host }) => !isLoopback(host)) ? 1 : 0,
        ...(name !== undefined && { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name }),
      },
      faultHandling: { host: () => trying(1), global: trying(this.#addresses.length), watchBackoff: steady },
    };
  }

  /** By the clock of the machine, which is the library's. */
  #deadline(): number {
    return Date.now() + this.#timeoutMs;
  }

  /** The client, another one where certificates have changed: who follows the one before begins again, all else has its time to end. */
  async #current(): Promise<Etcd3> {
    const credentials = await this.#certificates?.asText();
    const client = this.#client;
    if (client === undefined || this.#library === undefined)
      throw new OctavoError('failed_precondition', `${this.#who} is not started: call start() first`);
    if (credentials === this.#credentials) return client;
    this.#credentials = credentials;
    this.#before?.close();
    this.#before = client;
    this.#clock.after(this.#timeoutMs, () => this.#forget(client), { background: true });
    return (this.#client = new this.#library.Etcd3(this.#libraryOptions(credentials)));
  }

  #forget(client: Etcd3): void {
    if (this.#before !== client) return;
    client.close();
    this.#before = undefined;
  }

  async #call<T>(run: (client: Etcd3) => Promise<T>): Promise<T> {
    const client = await this.#current();
    try {
      return await run(client);
    } catch (cause) {
      if (cause instanceof OctavoError) throw cause;
      const refusal = refusalOf(cause, this.#who, this.#where);
      if (refusal !== undefined) throw refusal;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new OctavoError('unavailable', `${this.#who} has no answer from etcd at ${this.#where}: ${why}`, {
        cause,
      });
    }
  }
}
