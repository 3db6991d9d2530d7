import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import type { Base, BaseOptions, Consumer, ConsumerOptions, Producer } from '@platformatic/kafka';
import { parseAddress } from '../../core/address.js';
import { OctavoError, type Code } from '../../core/error.js';
import { peer } from '../../core/peer.js';
import { Certificates, type DialTls } from '../../core/tls.js';
import { tlsFault } from '../../core/tls-fault.js';
import { within } from '../../core/within.js';
import { guard } from './guard.js';
import type { ClientParts, KafkaSasl } from './options.js';
import { sharing, type Share } from './share.js';

export interface ClientOptions {
  readonly addresses: readonly string[];
  readonly sasl: KafkaSasl | undefined;
  readonly tls: DialTls | undefined;
  readonly connectTimeoutMs: number;
  readonly sessionTimeoutMs: number;
}

type Library = typeof import('@platformatic/kafka');

/** How long after a failed attempt the next one is made. */
export const RETRY_MS = 250;
/** How long something that is closed may take. */
export const CLOSE_MS = 2_000;
/** How often a member of a group says that it lives; so soon it learns that there is another one. */
const HEARTBEAT_MS = 500;
/** How long a request may take that no other member of a group is waited for in. */
const REQUEST_MS = 5_000;

/** Makes what talks to the servers of one cluster, all with the same words. */
export class KafkaClient {
  /** Its servers. */
  readonly where: string;
  readonly #options: ClientOptions;
  readonly #parts: ClientParts;
  readonly #certificates: Certificates | undefined;
  #library: Library | undefined;
  #tls: ConnectionOptions | undefined;

  constructor(options: ClientOptions, parts: ClientParts) {
    this.where = options.addresses.join(', ');
    this.#options = options;
    this.#parts = parts;
    this.#certificates = options.tls && new Certificates('the kafka broker', options.tls, parts);
  }

  /**
   * Loads the library and finds a server. Rejects with `unauthenticated` at once when it does not know us, with `unavailable` that says what
   * was tried for how long when there is none.
   *
   * @param given whether it was given up meanwhile
   */
  async start(given: () => boolean): Promise<void> {
    this.#library = await peer(
      'the kafka broker',
      '@platformatic/kafka',
      () => import('@platformatic/kafka'),
    );
    if (this.#certificates !== undefined) this.#tls = await secured(this.#certificates);
    const { connectTimeoutMs } = this.#options;
    const { clock } = this.#parts;
    const begin = clock.now();
    for (;;) {
      const cause = await this.#probe(connectTimeoutMs);
      if (cause === undefined) return;
      const error = this.error('find a server', cause);
      if (error.code !== 'unavailable') throw error;
      const ms = Math.round(clock.now() - begin);
      if (ms + RETRY_MS > connectTimeoutMs || given())
        throw new OctavoError(
          'unavailable',
          `the kafka broker found no Kafka server at ${this.where} within ${ms} ms: ${reasonOf(this.where, cause)}: start one, or set addresses`,
          { cause },
        );
      await clock.sleep(RETRY_MS);
    }
  }

  /** Asks whoever is there, once. Returns what went wrong. */
  async #probe(ms: number): Promise<unknown> {
    const probe = new this.#loaded.Base({ ...this.#base(), retries: 0 });
    const late = (): Error => new Error(`no answer within ${ms} ms`);
    try {
      const broken = new Promise<never>((_, reject) => guard(probe, reject));
      const answer = Promise.race([probe.metadata({ topics: [] }), broken]);
      await within(ms, this.#parts.clock, answer, late);
      return undefined;
    } catch (reason) {
      return reason;
    } finally {
      await this.#close(probe, () => probe.close());
    }
  }

  stop(): void {
    this.#certificates?.stop();
  }

  /**
   * @param instance the same for the one that comes after this one, which takes its place in the group at once
   * @param share what it has of the topic
   */
  consumer(groupId: string, instance: string, maxBytes: number, share: () => Share): Consumer {
    const { sessionTimeoutMs } = this.#options;
    const options: ConsumerOptions<Buffer, Buffer, Buffer, Buffer> = {
      ...this.#base(),
      groupId,
      groupInstanceId: instance,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: HEARTBEAT_MS,
      // A member that joins waits for the others, the dead ones among them.
      requestTimeout: sessionTimeoutMs + REQUEST_MS,
      autocommit: false,
      maxWaitTime: 500,
      maxBytes,
      highWaterMark: 1,
      ...sharing(share),
    };
    const consumer = new this.#loaded.Consumer(options);
    // Whoever listens to its errors has another take its place.
    guard(consumer, (error) => consumer.emit('error', error));
    return consumer;
  }

  /** Has the server forget a group that nobody comes to. Where that fails, it forgets by itself, in a week unless told otherwise. */
  async deleteGroup(group: string): Promise<void> {
    const admin = new this.#loaded.Admin(this.#base());
    guard(admin, () => {});
    const late = (): Error => new Error(`no answer within ${CLOSE_MS} ms`);
    await within(CLOSE_MS, this.#parts.clock, admin.deleteGroups({ groups: [group] }), late).catch(() => {});
    await this.#close(admin, () => admin.close());
  }

  /** Closes something, and does not wait for ever for a server that does not answer. */
  close(thing: Consumer | Producer): Promise<void> {
    return this.#close(thing, async () => thing.close(true));
  }

  async #close(thing: Base, close: () => Promise<void>): Promise<void> {
    try {
      await within(CLOSE_MS, this.#parts.clock, close(), () => new Error('it does not close'));
    } catch {
      // Whoever is left at the other end learns of it by the end of the connection.
    }
    for (const [, connection] of thing.connections) connection.socket?.destroy();
  }

  /** What went wrong, as an error of ours. */
  error(what: string, reason: unknown): OctavoError {
    if (reason instanceof OctavoError) return reason;
    return new OctavoError(
      codeOf(reason),
      `the kafka broker cannot ${what} at ${this.where}: ${reasonOf(this.where, reason)}`,
      {
        cause: reason,
      },
    );
  }

  get #loaded(): Library {
    if (this.#library === undefined)
      throw new OctavoError('failed_precondition', 'the kafka broker is not started: call start() first');
    return this.#library;
  }

  /** @param broken called when it can be used no more */
  producer(broken: (error: Error) => void): Producer {
    const { compatibilityPartitioner, Producer } = this.#loaded;
    let next = 0;
    const producer = new Producer({
      ...this.#base(),
      acks: -1,
      requestTimeout: REQUEST_MS,
      // Java's choice for a key, so that others who write to the topic keep its order; else one after the other.
      partitioner: (message, key) =>
        key === undefined || key.length === 0 ? next++ & 0x7fff_ffff : compatibilityPartitioner(message, key),
    });
    guard(producer, broken);
    return producer;
  }

  #base(): BaseOptions {
    const { addresses, sasl, connectTimeoutMs } = this.#options;
    return {
      clientId: 'octavo',
      bootstrapBrokers: addresses.map((address) => {
        const { host, port } = parseAddress(address);
        return { host, port };
      }),
      connectTimeout: Math.min(connectTimeoutMs, CLOSE_MS),
      retries: 4,
      retryDelay: RETRY_MS,
      autocreateTopics: true,
      ...(this.#tls && { tls: this.#tls }),
      ...(sasl && { sasl: { ...sasl } }),
    };
  }
}

/** What Node is told of TLS, by the library. */
async function secured(certificates: Certificates): Promise<ConnectionOptions> {
  await certificates.start();
  const { serverName, verify } = certificates.policy;
  return {
    // The library asks for each connection.
    get secureContext() {
      return certificates.current();
    },
    rejectUnauthorized: verify,
    checkServerIdentity: (host, certificate) => checkServerIdentity(serverName ?? host, certificate),
    ...(serverName !== undefined && isIP(serverName) === 0 && { servername: serverName }),
  };
}

/** By Kafka's name of what went wrong. */
const CODES: Readonly<Record<string, Code>> = {
  MESSAGE_TOO_LARGE: 'resource_exhausted',
  RECORD_LIST_TOO_LARGE: 'resource_exhausted',
  INVALID_TOPIC_EXCEPTION: 'invalid_argument',
  INVALID_GROUP_ID: 'invalid_argument',
  INVALID_SESSION_TIMEOUT: 'failed_precondition',
  TOPIC_AUTHORIZATION_FAILED: 'permission_denied',
  GROUP_AUTHORIZATION_FAILED: 'permission_denied',
  CLUSTER_AUTHORIZATION_FAILED: 'permission_denied',
  SASL_AUTHENTICATION_FAILED: 'unauthenticated',
  UNSUPPORTED_SASL_MECHANISM: 'unauthenticated',
};

/** By the same name, what to do. */
const REMEDIES: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'raise message.max.bytes there, or send less',
  RECORD_LIST_TOO_LARGE: 'raise message.max.bytes there, or send less',
  INVALID_SESSION_TIMEOUT: 'set sessionTimeoutMs within group.min.session.timeout.ms and .max. there',
  SASL_AUTHENTICATION_FAILED: 'wrong username or password',
  UNSUPPORTED_SASL_MECHANISM: 'set another sasl.mechanism',
};

/** How the library says it, without a name of Kafka's. */
const UNKNOWN_TOPIC = 'Unknown topic ';

/** Every error that this one came of, itself first. */
function* chain(reason: unknown, depth = 0): Iterable<Error & { apiId?: string; code?: string }> {
  if (!(reason instanceof Error) || depth > 8) return;
  yield reason;
  if (reason instanceof AggregateError) for (const each of reason.errors) yield* chain(each, depth + 1);
  yield* chain(reason.cause, depth + 1);
}

/** Whether Kafka's name of what went wrong is this one. */
export function isCalled(reason: unknown, name: string): boolean {
  return [...chain(reason)].some(({ apiId }) => apiId === name);
}

function codeOf(reason: unknown): Code {
  for (const { apiId, code, message } of chain(reason)) {
    const known = CODES[apiId ?? ''];
    if (known !== undefined) return known;
    if (code === 'PLT_KFK_AUTHENTICATION') return 'unauthenticated';
    if (message.startsWith(UNKNOWN_TOPIC)) return 'not_found';
  }
  return 'unavailable';
}

function reasonOf(where: string, reason: unknown): string {
  const all = [...chain(reason)];
  for (const each of all) {
    const fault = tlsFault(where, each);
    if (fault !== undefined) return fault;
  }
  const unknown = all.find(({ message }) => message.startsWith(UNKNOWN_TOPIC));
  if (unknown !== undefined)
    return 'there is no such topic: make it, or let the server make topics (auto.create.topics.enable)';
  // Most that is wrapped around says only that something failed.
  const named = all.find(({ apiId }) => apiId !== undefined);
  if (named?.apiId !== undefined) {
    const remedy = REMEDIES[named.apiId];
    return `${named.apiId}${remedy === undefined ? '' : `: ${remedy}`}`;
  }
  const last = all.at(-1);
  return last === undefined ? String(reason) : last.message;
}
