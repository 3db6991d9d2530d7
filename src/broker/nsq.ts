import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { shownTls } from '../core/tls.js';
import { within } from '../core/within.js';
import type { Broker, DeliveryHandler, SubscribeOptions } from './broker.js';
import { HEADER_LIMITS, writeEnvelope } from './envelope.js';
import { NsqClient, RETRY_MS } from './nsq/client.js';
import type { ClientParts, NsqTls } from './nsq/options.js';
import { Link } from './nsq/link.js';
import { checkName } from './nsq/name.js';
import { Nodes } from './nsq/nodes.js';
import { NsqSubscription } from './nsq/subscription.js';
import { servedLimits, type ServedBrokerOptions, type ServedLimits } from './served.js';
import { ServedBroker, type ServedSubscription } from './served-broker.js';

export type { NsqTls } from './nsq/options.js';

/** Bytes of the largest event that an nsqd takes unless it is told otherwise. */
const USUAL_MAX_BYTES = 1024 * 1024;

export interface NsqBrokerOptions extends ServedBrokerOptions {
  /** The nsqds, `host:port`: each publish goes to one, a subscription to all. @defaultValue `['127.0.0.1:4150']`, and none with lookups */
  readonly addresses?: readonly string[];
  /** The HTTP side of nsqlookupds, `host:port`: whatever nsqds they know are used, also such as come later. @defaultValue none */
  readonly lookups?: readonly string[];
  /** How often the lookups are asked, in milliseconds. @defaultValue `1_000` */
  readonly lookupIntervalMs?: number;
  /** What an nsqd with an auth server asks for. @defaultValue none */
  readonly secret?: string;
  /** Certificates; `{}` is TLS with what Node knows. A server's name must be that of its host, and `localhost` where that is an IP address. @defaultValue plain text */
  readonly tls?: NsqTls;
  /** Bytes of one event's body, which takes four thirds of its own on the wire; the server's `max-msg-size` has the last word. @defaultValue 700 KiB, what a server takes unless it is told otherwise */
  readonly maxMessageBytes?: number;
  /** After how long a server gives an event to another subscriber of a queue when one is gone without a word, in milliseconds. @defaultValue `15_000` */
  readonly messageTimeoutMs?: number;
}

export type NsqBrokerParts = ClientParts;

/**
 * Publishes to nsqds; a queue is a channel.
 *
 * What an nsqd has in memory is lost when it is killed, confirmed or not: at most once over a crash.
 *
 * Source: plugins v4 `broker/nsq`, whose form of events it speaks.
 */
export class NsqBroker extends ServedBroker {
  readonly name = 'nsq';
  readonly options: NsqBrokerOptions;
  readonly guarantees = {
    delivery: 'at-most-once',
    durable: true,
    ordering: 'none',
    queues: true,
    redelivery: true,
  } as const;
  readonly #settings: ServedLimits & { readonly messageTimeoutMs: number };
  readonly #parts: NsqBrokerParts;
  readonly #client: NsqClient;
  readonly #nodes: Nodes;
  readonly #links = new Map<string, Link>();
  #next = 0;

  /** @throws `failed_precondition` for options that cannot work */
  constructor(options: NsqBrokerOptions, parts: NsqBrokerParts) {
    const limits = servedLimits(options, { maxMessageBytes: 700 * 1024 });
    super('nsq', limits, parts.clock);
    const { secret, tls, lookups = [], lookupIntervalMs = 1_000, messageTimeoutMs = 15_000 } = options;
    const { addresses = lookups.length > 0 ? [] : ['127.0.0.1:4150'] } = options;
    if (addresses.length + lookups.length === 0)
      throw new OctavoError(
        'failed_precondition',
        'addresses and lookups of the nsq broker are empty: name an nsqd, or an nsqlookupd',
      );
    this.options = {
      ...options,
      addresses,
      ...(secret !== undefined && { secret: '***' }),
      ...(tls && { tls: shownTls(tls) }),
    };
    this.#settings = { ...limits, messageTimeoutMs };
    this.#parts = parts;
    this.#client = new NsqClient({ secret, tls, messageTimeoutMs }, parts);
    this.#nodes = new Nodes(addresses, lookups, lookupIntervalMs, parts, () => this.#follow());
  }

  protected get where(): string {
    return this.#nodes.all.join(', ');
  }

  protected get connected(): boolean {
    return [...this.#links.values()].some(({ up }) => up);
  }

  protected async open(): Promise<void> {
    const { clock } = this.#parts;
    const { connectTimeoutMs } = this.limits;
    await this.#client.start();
    const begin = clock.now();
    try {
      for (;;) {
        const fault = await this.#reach(connectTimeoutMs);
        if (this.stopping)
          throw new OctavoError('unavailable', 'the nsq broker was stopped while it connected');
        if (fault === undefined) return;
        const ms = Math.round(clock.now() - begin);
        if (fault.code !== 'unavailable') throw fault;
        if (ms + RETRY_MS > connectTimeoutMs)
          throw new OctavoError(
            'unavailable',
            `the nsq broker found no nsqd within ${ms} ms: ${fault.message}: start one, or set addresses`,
            { cause: fault },
          );
        await clock.sleep(RETRY_MS);
      }
    } catch (reason) {
      this.#letGo();
      throw reason;
    }
  }

  protected async close(opened: Promise<void>): Promise<void> {
    await opened.catch(() => {});
    this.#letGo();
  }

  protected sending(topic: string, message: Message): () => Promise<void> {
    checkName('topic', topic);
    const maxBodyBytes = Math.ceil((this.limits.maxMessageBytes * 4) / 3) + 2 * HEADER_LIMITS.maxHeaderBytes;
    const body = writeEnvelope(topic, message, { ...HEADER_LIMITS, maxBodyBytes });
    return async () => {
      try {
        await this.#link().publish(topic, body);
      } catch (reason) {
        throw body.length > USUAL_MAX_BYTES ? maybeTooLarge(OctavoError.from(reason)) : reason;
      }
    };
  }

  protected subscription(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
  ): ServedSubscription {
    checkName('topic', topic);
    if (options.queue !== undefined) checkName('queue', options.queue);
    const at = { client: this.#client, nodes: this.#nodes };
    return new NsqSubscription(topic, handler, options, at, this.#settings, this.#parts);
  }

  /** Looks for an nsqd that can be published to. Returns why there is none. */
  async #reach(ms: number): Promise<OctavoError | undefined> {
    try {
      await this.#nodes.start();
      this.#follow();
      const links = [...this.#links.values()];
      const late = (): Error => new Error(`no answer within ${ms} ms`);
      await within(ms, this.#parts.clock, Promise.race(links.map((each) => each.tried())), late);
      if (links.some(({ up }) => up)) return undefined;
      return links.find(({ fault }) => fault !== undefined)?.fault ?? this.#nobody();
    } catch (reason) {
      return reason instanceof OctavoError ? reason : this.#nobody(reason);
    }
  }

  #nobody(cause?: unknown): OctavoError {
    const { lookups = [] } = this.options;
    const known = this.#nodes.all.join(', ');
    const what =
      known === '' ? `the nsqlookupd at ${lookups.join(', ')} knows of no nsqd` : `no nsqd at ${known}`;
    return new OctavoError('unavailable', what, { cause, executed: false });
  }

  /** Has a link for each nsqd, and every subscription at each. */
  #follow(): void {
    const { all } = this.#nodes;
    for (const address of all) {
      if (this.#links.has(address)) continue;
      const link = new Link(address, this.#client, this.#settings.timeoutMs, this.#parts);
      this.#links.set(address, link);
      link.start();
    }
    for (const [address, link] of this.#links)
      if (!all.includes(address)) {
        this.#links.delete(address);
        link.stop();
      }
    this.renew();
  }

  /** The next one that is up. */
  #link(): Link {
    const up = [...this.#links.values()].filter((each) => each.up);
    const link = up[this.#next++ % up.length];
    if (link !== undefined) return link;
    throw [...this.#links.values()].find(({ fault }) => fault !== undefined)?.fault ?? this.#nobody();
  }

  #letGo(): void {
    this.#nodes.stop();
    for (const link of this.#links.values()) link.stop();
    this.#links.clear();
    this.#client.stop();
  }
}

/** Publishes to NSQ. */
export function nsq(options: NsqBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new NsqBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

/** An nsqd says no to what is over its limit and closes: where it closed while that was still being sent, its word may not have arrived. */
function maybeTooLarge(error: OctavoError): OctavoError {
  if (error.code !== 'unavailable') return error;
  const { code, message, executed } = error;
  const hint = 'an nsqd closes on an event that is over its max-msg-size, too, which is 1 MiB unless set';
  return new OctavoError(code, `${message} (${hint})`, {
    cause: error,
    ...(executed === false && { executed }),
  });
}
