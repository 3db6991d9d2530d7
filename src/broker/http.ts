import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { formatAddress, parseAddress } from '../core/address.js';
import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node, type ServiceRecord } from '../registry/registry.js';
import {
  Broker,
  type BrokerOptions,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';
import { readEnvelope, refusal, writeEnvelope } from './http/envelope.js';
import { Poster } from './http/poster.js';

export interface HttpBrokerOptions extends BrokerOptions {
  /** Where it listens once there is a subscription. @defaultValue `'127.0.0.1:0'` */
  readonly address?: string;
  /** What publishers are told to dial, `host` or `host:port`. @defaultValue the bound address */
  readonly advertise?: string;
  /** Bytes of one event with its envelope. @defaultValue 8 MiB */
  readonly maxBodyBytes?: number;
  /** For how long one post may take, handlers included, in milliseconds. @defaultValue `10_000` */
  readonly timeoutMs?: number;
  /** For how long the registry knows a subscription that is silent, in milliseconds. @defaultValue `60_000` */
  readonly registerTtlMs?: number;
  /** How often a subscription is renewed, in milliseconds. @defaultValue `30_000` */
  readonly registerIntervalMs?: number;
}

export interface HttpBrokerParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The service that every subscription of go-micro's http broker is registered under. */
const SERVICE = 'micro.http.broker';
/** The version of those that share with nobody; others have their queue's name. */
const BROADCAST = 'ff.http.broadcast';
/** Bytes that a DNS label holds: the node's id is one on mDNS. */
const LONGEST_LABEL = 63;

interface Running {
  readonly topic: string;
  readonly handler: DeliveryHandler;
  readonly record: ServiceRecord;
  readonly busy: Set<Promise<void>>;
}

/**
 * go-micro's default broker: a subscriber is a node in the registry, and publishing posts to each.
 *
 * At most once: an event that cannot be posted is logged and gone. It listens from the first subscription on, so who only publishes
 * opens no port.
 */
export class HttpBroker extends Broker {
  readonly name = 'http';
  readonly options: HttpBrokerOptions;
  readonly guarantees = {
    delivery: 'at-most-once',
    durable: false,
    ordering: 'none',
    queues: true,
    redelivery: false,
  } as const;
  readonly #parts: HttpBrokerParts;
  readonly #running = new Map<string, Running>();
  #poster: Poster | undefined;
  #app: Promise<FastifyInstance> | undefined;
  #address = '';
  #renewal: Timer | undefined;

  constructor(options: HttpBrokerOptions, parts: HttpBrokerParts) {
    super();
    this.options = options;
    this.#parts = parts;
  }

  get address(): string {
    return this.#address;
  }

  start(): void {
    this.#poster ??= new Poster(this.options.timeoutMs ?? 10_000);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.#end(id)));
    this.#renewal?.cancel();
    this.#renewal = undefined;
    const app = await this.#app?.catch(() => undefined);
    this.#app = undefined;
    this.#address = '';
    await app?.close();
    this.#poster?.close();
    this.#poster = undefined;
  }

  async publish(topic: string, message: Message, { signal }: PublishOptions = {}): Promise<void> {
    const poster = this.#poster;
    if (poster === undefined) throw notStarted();
    const body = writeEnvelope(topic, message);
    const records = await this.#parts.registry.getService(SERVICE);
    const fits = ({ metadata }: Node): boolean =>
      metadata['topic'] === topic && metadata['broker'] === 'http';
    const posts = records.flatMap(({ version, nodes }) => {
      const found = nodes.filter(fits);
      if (version === BROADCAST) return found.map((node) => this.#postToOne(poster, [node], body, signal));
      return found.length === 0 ? [] : [this.#postToOne(poster, shuffled(found), body, signal)];
    });
    await Promise.all(posts);
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    if (this.#poster === undefined) throw notStarted();
    if (options.durable === true)
      throw new OctavoError(
        'failed_precondition',
        `the http broker keeps nothing while a subscriber of "${topic}" is away: leave "durable" out`,
      );
    const id = `${topic}-${randomBytes(6).toString('hex')}`;
    if (Buffer.byteLength(id) > LONGEST_LABEL)
      throw new OctavoError(
        'failed_precondition',
        `the topic "${topic}" is too long for the http broker: at most ${LONGEST_LABEL - 13} bytes`,
      );
    await this.#listen();
    const node = { id, address: this.#address, metadata: { secure: 'false', broker: 'http', topic } };
    const record = {
      name: SERVICE,
      version: options.queue ?? BROADCAST,
      metadata: {},
      endpoints: [],
      nodes: [node],
    };
    this.#running.set(id, { topic, handler, record, busy: new Set() });
    await this.#register(record);
    this.#schedule();
    let ended: Promise<void> | undefined;
    return { topic, options, unsubscribe: () => (ended ??= this.#end(id)) };
  }

  async #end(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    try {
      await this.#parts.registry.deregister(running.record);
    } catch (error) {
      this.#parts.logger.warn('a subscription could not be taken out of the registry', {
        topic: running.topic,
        error,
      });
    }
    await Promise.all(running.busy);
  }

  /** Posts to the first of these that takes it. */
  async #postToOne(
    poster: Poster,
    nodes: readonly Node[],
    body: Buffer,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const [at, { address, id }] of nodes.entries())
      try {
        await poster.post(address, `/?id=${encodeURIComponent(id)}`, body, signal);
        return;
      } catch (reason) {
        const error = OctavoError.from(reason);
        const more = nodes.length - at - 1;
        this.#parts.logger.warn('an event could not be posted', {
          node: id,
          address,
          error,
          otherNodes: more,
        });
        if (error.executed !== false) return;
      }
  }

  #listen(): Promise<FastifyInstance> {
    this.#app ??= this.#open();
    this.#app.catch(() => (this.#app = undefined));
    return this.#app;
  }

  async #open(): Promise<FastifyInstance> {
    const {
      address = '127.0.0.1:0',
      advertise,
      maxBodyBytes = 8 * 1024 * 1024,
      timeoutMs = 10_000,
    } = this.options;
    const { host, port } = parseAddress(address);
    const { fastify } = await import('fastify');
    const app = fastify({ bodyLimit: maxBodyBytes, requestTimeout: timeoutMs, forceCloseConnections: true });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    app.all('/', async (request, reply) => {
      if (request.method !== 'POST') return reply.code(405).send(refusal(400, 'Method not allowed'));
      // Fastify's parser above gives a buffer, and none where there is no body.
      const message = readEnvelope((request.body as Buffer | undefined) ?? Buffer.alloc(0));
      if (typeof message === 'string') return reply.code(500).send(refusal(500, message));
      const { id } = request.query as { id?: string };
      await this.#deliver(id ?? '', message);
      return reply.code(200).send();
    });
    try {
      await app.listen({ host: host === '' ? '0.0.0.0' : host, port });
    } catch (cause) {
      throw new OctavoError(
        'unavailable',
        `the http broker cannot listen on ${address}: ${(cause as Error).message}`,
        { cause },
      );
    }
    // A TCP server that listens has an address with a port.
    const bound = app.server.address() as AddressInfo;
    const told = advertise === undefined ? { host: bound.address, port: 0 } : hostPort(advertise);
    this.#address = formatAddress(told.host, told.port || bound.port);
    return app;
  }

  /** Runs the handler of a subscription. Who posted learns nothing of how it went, as in go-micro. */
  async #deliver(id: string, message: Message): Promise<void> {
    const running = this.#running.get(id);
    if (running === undefined) return;
    const { topic, handler, busy } = running;
    const done = (async () => {
      try {
        await handler({ topic, message, attempt: 1, ack() {}, nack() {} });
      } catch (error) {
        this.#parts.logger.error('a handler of the http broker threw', { topic, error });
      }
    })();
    busy.add(done);
    await done;
    busy.delete(done);
  }

  async #register(record: ServiceRecord): Promise<void> {
    await this.#parts.registry.register(record, { ttlMs: this.options.registerTtlMs ?? 60_000 });
  }

  #schedule(): void {
    const { registerIntervalMs = 30_000 } = this.options;
    this.#renewal ??= this.#parts.clock.after(registerIntervalMs, () => void this.#renew(), {
      background: true,
    });
  }

  async #renew(): Promise<void> {
    this.#renewal = undefined;
    for (const { record, topic } of this.#running.values())
      try {
        await this.#register(record);
      } catch (error) {
        this.#parts.logger.warn('a subscription could not be renewed in the registry', { topic, error });
      }
    if (this.#running.size > 0) this.#schedule();
  }
}

/** Publishes by HTTP to the subscribers that the registry knows. */
export function http(options: HttpBrokerOptions = {}): Provider<Broker> {
  return (resolve) =>
    new HttpBroker(options, { registry: resolve(Registry), clock: resolve(Clock), logger: resolve(Logger) });
}

function hostPort(text: string): { host: string; port: number } {
  return /:\d+$/.test(text) ? parseAddress(text) : { host: text, port: 0 };
}

function notStarted(): OctavoError {
  return new OctavoError('failed_precondition', 'the http broker is not started: call start() first');
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
