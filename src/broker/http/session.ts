import { randomBytes } from 'node:crypto';
import { advertised, type AdvertiseOptions } from '../../core/advertise.js';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { InHand } from '../../core/in-hand.js';
import type { Logger } from '../../core/logger.js';
import { noteExposure } from '../../core/exposure.js';
import { Refusals } from '../../core/refusals.js';
import type { Certificates } from '../../core/tls.js';
import type { Message } from '../../core/message.js';
import type { Node, Registry, ServiceRecord } from '../../registry/registry.js';
import type { DeliveryHandler, SubscribeOptions, Subscriber } from '../broker.js';
import { writeEnvelope } from '../envelope.js';
import { Poster, type Fail } from './poster.js';
import { Receiver, type ReceiverOptions } from './receiver.js';
import { BROADCAST, SERVICE, Subscription } from './subscription.js';

export interface SessionOptions extends ReceiverOptions, AdvertiseOptions {
  readonly maxPublishes: number;
  readonly drainMs: number;
  readonly registerTtlMs: number;
  readonly registerIntervalMs: number;
}

export interface SessionParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the posts of one publish have in common. */
interface Publishing {
  readonly body: Buffer;
  /** Those under way. */
  readonly posts: Set<Fail>;
  /** Throws when the publish is aborted. */
  readonly check: () => void;
}

/** Bytes that a DNS label holds: on mDNS, what stands between two dots of a node's id is one. */
const LONGEST_LABEL = 63;
/** Bytes of all labels, so that what follows them has room. */
const LONGEST_ID = 200;
/** How many posts of one publish are under way at once. */
const AT_ONCE = 64;

/** What the http broker does between its start and its stop. */
export class Session {
  readonly #options: SessionOptions;
  readonly #parts: SessionParts;
  readonly #certificates: Certificates | undefined;
  readonly #poster: Poster;
  readonly #refusals: Refusals;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Everything that a stop waits for. */
  readonly #inHand = new InHand();
  #receiver: Promise<Receiver> | undefined;
  #address = '';
  #publishes = 0;
  #renewal: Timer | undefined;
  #closing: Promise<void> | undefined;

  /** @param certificates for TLS; without them it speaks in plain text, and with them never */
  constructor(options: SessionOptions, parts: SessionParts, certificates: Certificates | undefined) {
    this.#options = options;
    this.#parts = parts;
    this.#certificates = certificates;
    this.#refusals = new Refusals(parts.clock, parts.logger);
    this.#poster = new Poster(options.timeoutMs, parts.clock, certificates);
  }

  /** What publishers are told to dial; empty before the first subscription. */
  get address(): string {
    return this.#address;
  }

  async publish(topic: string, message: Message, signal: AbortSignal | undefined): Promise<void> {
    const { maxPublishes } = this.#options;
    if (this.#publishes >= maxPublishes)
      throw new OctavoError(
        'resource_exhausted',
        `${maxPublishes} publishes are under way (maxPublishes): "${topic}" gets no more before one ends`,
      );
    this.#publishes++;
    try {
      await this.#inHand.run(() => this.#publish(topic, message, signal));
    } finally {
      this.#publishes--;
    }
  }

  subscribe(topic: string, handler: DeliveryHandler, options: SubscribeOptions): Promise<Subscriber> {
    const id = nodeId(topic);
    return this.#inHand.run(async () => {
      await this.#listen();
      const subscription = new Subscription(
        {
          id,
          topic,
          queue: options.queue,
          address: this.#address,
          secure: this.#certificates !== undefined,
          handler,
        },
        { ...this.#parts, ttlMs: this.#options.registerTtlMs },
      );
      this.#subscriptions.set(id, subscription);
      try {
        await subscription.register();
        if (this.#closing !== undefined) throw stopped(`"${topic}" was subscribed to`);
      } catch (reason) {
        await this.#end(id);
        throw reason;
      }
      this.#schedule();
      return { topic, options, unsubscribe: () => this.#end(id, subscription) };
    });
  }

  /** Ends the subscriptions, waits for what is in hand, at most `drainMs`, and closes. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { clock, logger } = this.#parts;
    const { drainMs } = this.#options;
    this.#renewal?.cancel();
    for (const id of [...this.#subscriptions.keys()]) void this.#inHand.run(() => this.#end(id));
    if (!(await this.#inHand.idleWithin(drainMs, clock)))
      logger.warn('what the http broker had in hand did not end in time, and is left alone', { drainMs });
    this.#poster.close();
    const receiver = await this.#receiver?.catch(() => undefined);
    await receiver?.close();
  }

  async #end(id: string, subscription = this.#subscriptions.get(id)): Promise<void> {
    this.#subscriptions.delete(id);
    await subscription?.end();
  }

  async #publish(topic: string, message: Message, signal: AbortSignal | undefined): Promise<void> {
    const aborted = (): OctavoError =>
      new OctavoError('cancelled', `the publish to "${topic}" was aborted`, { cause: signal?.reason });
    const check = (): void => {
      if (signal?.aborted === true) throw aborted();
    };
    check();
    const publishing: Publishing = {
      body: writeEnvelope(topic, message, this.#options),
      posts: new Set(),
      check,
    };
    const all = targets(topic, await this.#parts.registry.getService(SERVICE));
    check();
    const next = all.values();
    const postAll = async (): Promise<void> => {
      for (const nodes of next) await this.#postToOne(nodes, publishing);
    };
    // One listener, however many posts there are.
    const abort = (): void => [...publishing.posts].forEach((fail) => fail(aborted()));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, all.length) }, postAll));
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Posts to the first of these that takes it. Rejects when the publish is aborted, and for nothing else. */
  async #postToOne(nodes: readonly Node[], { body, posts, check }: Publishing): Promise<void> {
    for (const [at, { address, id, metadata }] of nodes.entries())
      try {
        check();
        this.#checkSecure(address, metadata['secure'] === 'true');
        await this.#poster.post(address, `/?id=${encodeURIComponent(id)}`, body, posts);
        return;
      } catch (reason) {
        check();
        const error = OctavoError.from(reason);
        const otherNodes = nodes.length - at - 1;
        const facts = { node: id, address, error, otherNodes };
        this.#parts.logger.warn('an event could not be posted', facts);
        if (error.executed !== false) return;
      }
  }

  /** Refuses to post what is meant for TLS in plain text, and the other way round: the registry may be wrong, or somebody may wish it so. */
  #checkSecure(address: string, secure: boolean): void {
    if (secure === (this.#certificates !== undefined)) return;
    const [takes, remedy] = secure
      ? ['TLS only', 'here']
      : ['plain text only', 'there, or leave it out here'];
    throw new OctavoError(
      'unavailable',
      `${address} takes ${takes}, as its node says: give the http broker the option tls ${remedy}`,
      { executed: false },
    );
  }

  /** Opens the door at the first subscription. */
  async #listen(): Promise<void> {
    const opening = (this.#receiver ??= this.#open());
    try {
      await opening;
    } catch (reason) {
      if (this.#receiver === opening) this.#receiver = undefined;
      throw reason;
    }
  }

  async #open(): Promise<Receiver> {
    const { address = '127.0.0.1:0' } = this.#options;
    const find = (id: string): Subscription | undefined => this.#subscriptions.get(id);
    const certificates = this.#certificates;
    const receiver = await Receiver.open(address, this.#options, {
      inHand: this.#inHand,
      find,
      certificates,
      refused: (host, error) => this.#refusals.note(host, error),
    });
    try {
      const { registry, logger } = this.#parts;
      if (certificates === undefined) noteExposure('the http broker', receiver.bound, logger);
      this.#address = advertised(receiver.bound, this.#options, registry, 'MICRO_BROKER_ADDRESS');
      return receiver;
    } catch (reason) {
      await receiver.close();
      throw reason;
    }
  }

  /** Renewals of a fleet that started together drift apart, as each comes up to a tenth early. */
  #schedule(): void {
    const ms = this.#options.registerIntervalMs * (1 - Math.random() / 10);
    this.#renewal ??= this.#parts.clock.after(ms, () => void this.#renew(), { background: true });
  }

  async #renew(): Promise<void> {
    await Promise.all([...this.#subscriptions.values()].map((each) => each.renew()));
    this.#renewal = undefined;
    if (this.#subscriptions.size > 0 && this.#closing === undefined) this.#schedule();
  }
}

/** The nodes that an event is for: one of each of these, tried in this order. */
function targets(topic: string, records: readonly ServiceRecord[]): readonly (readonly Node[])[] {
  return records.flatMap(({ version, nodes }) => {
    const found = nodes.filter(
      ({ metadata }) => metadata['topic'] === topic && metadata['broker'] === 'http',
    );
    if (version === BROADCAST) return found.map((node) => [node]);
    return found.length === 0 ? [] : [shuffled(found)];
  });
}

/** Short, as go-micro's, of a topic and a UUID, leaves 26 bytes for the topic. */
function nodeId(topic: string): string {
  const id = `${topic}-${randomBytes(6).toString('hex')}`;
  const long = id.split('.').find((label) => Buffer.byteLength(label) > LONGEST_LABEL || label === '');
  if (long === undefined && Buffer.byteLength(id) <= LONGEST_ID) return id;
  const suffix = Buffer.byteLength(id) - Buffer.byteLength(topic);
  throw new OctavoError(
    'failed_precondition',
    `the topic "${topic}" cannot be subscribed to over the http broker, whose subscriptions have DNS names: take 1 to ${LONGEST_LABEL} bytes ` +
      `between two dots, at most ${LONGEST_LABEL - suffix} bytes behind the last one, and ${LONGEST_ID - suffix} in all`,
  );
}

function stopped(what: string): OctavoError {
  return new OctavoError('failed_precondition', `the http broker was stopped while ${what}`);
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
