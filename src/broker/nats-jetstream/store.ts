import { createHash } from 'node:crypto';
import type { JetStreamApiError, JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { OctavoError, type Code } from '../../core/error.js';
import type { NatsClient } from '../../core/nats.js';
import { peer } from '../../core/peer.js';
import type { SubscribeOptions } from '../broker.js';
import type { Settings } from './settings.js';

/** What the server says by number. Source: nats-server `server/errors.json`. */
const STREAM_NOT_FOUND = 10_059;
const CONSUMER_NOT_FOUND = 10_014;
const NOT_ENABLED = [10_076, 10_039];
/** The server, or the stream, holds as much as it may. */
const FULL = [10_077, 10_047, 10_023, 10_054, 10_122];

/** A question that was not answered yet. */
interface Asked {
  /** Where an event is published to; none of what else is asked. */
  readonly subject: string | undefined;
  readonly fail: (error: OctavoError) => void;
}

type Api = typeof import('@nats-io/jetstream');

/** The stream that keeps events, and its consumers, each the place in it of one queue or one subscriber. */
export class Store {
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #api: Api;
  readonly #manager: JetStreamManager;
  readonly #publisher: JetStreamClient;
  readonly #asked = new Set<Asked>();

  private constructor(client: NatsClient, settings: Settings, api: Api, manager: JetStreamManager) {
    this.#client = client;
    this.#settings = settings;
    this.#api = api;
    this.#manager = manager;
    this.#publisher = manager.jetstream();
  }

  /** The store of a connection. Asks nothing yet. */
  static async open(client: NatsClient, settings: Settings): Promise<Store> {
    const api = await peer(
      'the nats-jetstream broker',
      '@nats-io/jetstream',
      () => import('@nats-io/jetstream'),
    );
    const { timeoutMs } = settings;
    // It is the library's, which its type does not say.
    const connection = client.library as NatsConnection;
    const manager = await api.jetstreamManager(connection, { timeout: timeoutMs, checkAPI: false });
    return new Store(client, settings, api, manager);
  }

  /** What is asked just now fails, as no answer comes: all of it, or what was asked at one subject. */
  interrupt(error: OctavoError, subject?: string): void {
    const api = subject?.startsWith('$JS.API.') === true;
    for (const asked of [...this.#asked])
      if (subject === undefined || asked.subject === subject || (api && asked.subject === undefined))
        asked.fail(error);
  }

  /** Makes the stream where it is not there. One that is there stays as it is. Rejects with `failed_precondition` where the server has no JetStream. */
  async ensure(): Promise<void> {
    const { stream, subjects, storage, replicas, maxAgeMs, maxBytes, dedupeMs } = this.#settings;
    const { RetentionPolicy, DiscardPolicy, StorageType } = this.#api;
    await this.#asking(async () => {
      const there = await this.#found(STREAM_NOT_FOUND, () => this.#manager.streams.info(stream));
      const config =
        there?.config ??
        (
          await this.#manager.streams.add({
            name: stream,
            subjects: [...subjects],
            // Not by interest: a server of 2.9 that was killed forgets, when it is back, what waits for a queue that is away.
            retention: RetentionPolicy.Limits,
            discard: DiscardPolicy.Old,
            storage: storage === 'file' ? StorageType.File : StorageType.Memory,
            num_replicas: replicas,
            max_age: nanos(maxAgeMs),
            max_bytes: maxBytes,
            duplicate_window: nanos(dedupeMs),
          })
        ).config;
      const missing = subjects.filter((subject) => !config.subjects.includes(subject));
      if (missing.length > 0)
        throw new OctavoError(
          'failed_precondition',
          `the stream "${stream}" keeps ${config.subjects.join(', ')}, and not ${missing.join(', ')}: name another stream, or set prefix and subjects`,
        );
    });
  }

  /**
   * Publishes, and resolves when the stream has it. Of two with one id within `dedupeMs` the second is not kept.
   *
   * Rejects with `resource_exhausted` when the server has no room for it.
   */
  async publish(subject: string, data: Uint8Array, id: string | undefined): Promise<void> {
    this.#client.checkSize(data.length + HEADER_ROOM);
    const { timeoutMs } = this.#settings;
    const options = { timeout: timeoutMs, ...(id !== undefined && { msgID: headerOf(id) }) };
    const publish = (): Promise<unknown> => this.#publisher.publish(subject, data, options);
    await this.#asking(async () => {
      try {
        await publish();
      } catch (reason) {
        if (!isNobody(reason)) throw reason;
        // The stream is gone, as after a restart without its data.
        await this.ensure();
        await publish();
      }
    }, subject);
  }

  /** The name of the consumer of a topic for a queue, or for one subscriber of its own name. */
  consumerOf(topic: string, of: string): string {
    const hash = createHash('sha256').update(JSON.stringify([this.#settings.prefix, topic, of]));
    const readable = `${of}-${topic}`.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
    return `${readable}-${hash.digest('base64url').slice(0, 12)}`;
  }

  /** Makes a consumer where it is not there. One that is there keeps its place. */
  async ensureConsumer(name: string, topic: string, { durable = false }: SubscribeOptions): Promise<void> {
    const { stream, prefix, ackWaitMs, maxAckPending, inactiveMs } = this.#settings;
    const { consumers } = this.#manager;
    const { AckPolicy, DeliverPolicy } = this.#api;
    await this.#asking(async () => {
      const there = await this.#found(CONSUMER_NOT_FOUND, () => consumers.info(stream, name));
      if (there === undefined) {
        // A consumer of what is new would begin anew where the server is killed before it has written down where that was.
        const { state } = await this.#manager.streams.info(stream);
        await consumers.add(stream, {
          durable_name: name,
          filter_subject: prefix + topic,
          ack_policy: AckPolicy.Explicit,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: state.last_seq + 1,
          ack_wait: nanos(ackWaitMs),
          max_ack_pending: maxAckPending,
          max_deliver: -1,
          ...(!durable && { inactive_threshold: nanos(inactiveMs) }),
        });
      } else if (durable && (there.config.inactive_threshold ?? 0) > 0)
        await consumers.update(stream, name, { inactive_threshold: 0 });
    });
  }

  async removeConsumer(name: string): Promise<void> {
    await this.#asking(() => this.#manager.consumers.delete(this.#settings.stream, name));
  }

  /** Asks for so many events of a consumer, to be sent to an inbox. Source: NATS ADR-13. */
  pull(consumer: string, inbox: string, { batch, expiresMs, ...more }: PullOptions): void {
    const { heartbeatMs, maxBytes } = more;
    const request = {
      batch,
      expires: nanos(expiresMs),
      ...(heartbeatMs !== undefined && { idle_heartbeat: nanos(heartbeatMs) }),
      ...(maxBytes !== undefined && { max_bytes: maxBytes }),
    };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#settings.stream}.${consumer}`;
    this.#client.publish(subject, Buffer.from(JSON.stringify(request)), inbox);
  }

  /** What is asked for; `undefined` when it is not there. */
  async #found<T>(missing: number, ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (reason) {
      if (this.#isApiError(reason) && reason.code === missing) return undefined;
      throw reason;
    }
  }

  /** Asks the server, which answers, or does not in time, or goes away. */
  async #asking<T>(ask: () => Promise<T>, subject?: string): Promise<T> {
    // It would be kept, and not sent.
    void this.#client.library;
    let leave = (): void => {};
    const interrupted = new Promise<never>((_, reject) => {
      const asked: Asked = { subject, fail: reject };
      this.#asked.add(asked);
      leave = () => this.#asked.delete(asked);
    });
    try {
      return await Promise.race([ask(), interrupted]);
    } catch (reason) {
      throw this.#told(reason);
    } finally {
      leave();
    }
  }

  #isApiError(reason: unknown): reason is JetStreamApiError {
    return reason instanceof this.#api.JetStreamApiError;
  }

  /** An error as users of the broker are told of it. */
  #told(reason: unknown): unknown {
    if (reason instanceof OctavoError || !(reason instanceof Error)) return reason;
    const server = `the NATS server at ${this.#client.where}`;
    const told = (code: Code, message: string): OctavoError =>
      new OctavoError(code, message, { cause: reason });
    if (isNobody(reason) || (this.#isApiError(reason) && NOT_ENABLED.includes(reason.code)))
      return told(
        'failed_precondition',
        `${server} has no JetStream: start it with -js, or take the nats broker`,
      );
    if (this.#isApiError(reason) && FULL.includes(reason.code))
      return told(
        'resource_exhausted',
        `the stream "${this.#settings.stream}" finds no room at ${this.#client.where} (${reason.message}): set a lower maxBytes, or give the server more`,
      );
    const { timeoutMs } = this.#settings;
    if (reason.name === 'TimeoutError')
      return told('deadline_exceeded', `${server} did not answer within ${timeoutMs} ms (timeoutMs)`);
    return told('unavailable', `${server}: ${reason.message}`);
  }
}

export interface PullOptions {
  readonly batch: number;
  /** For how long the server keeps the request. */
  readonly expiresMs: number;
  /** How often it says that it does; never without it. */
  readonly heartbeatMs?: number;
  /** Bytes of all that is sent. */
  readonly maxBytes?: number;
}

/** Bytes of a NATS header with an id. */
const HEADER_ROOM = 256;
/** An id that a header holds as it is. */
const PLAIN = /^[!-~]{1,128}$/;

/** An id as a header holds it, the same for the same one. */
function headerOf(id: string): string {
  return PLAIN.test(id) ? id : createHash('sha256').update(id).digest('base64url');
}

function nanos(ms: number): number {
  return ms * 1_000_000;
}

/** Whether an error says that nobody takes what was published. */
function isNobody(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'JetStreamNotEnabled';
}
