import { AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Message, Reader } from 'nsqjs';
import { parseAddress } from '../../core/address.js';
import type { Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { quietly } from '../../core/quietly.js';
import { within } from '../../core/within.js';
import type { DeliveryHandler, SubscribeOptions } from '../broker.js';
import { HEADER_LIMITS, readEnvelope } from '../envelope.js';
import { Handout, type Incoming } from '../handout.js';
import type { ServedLimits } from '../served.js';
import type { ServedSubscription } from '../served-broker.js';
import { errorOf, RETRY_MS, type NsqClient } from './client.js';
import type { Nodes } from './nodes.js';
import type { ClientParts } from './options.js';

/** How long what was written last takes to be gone: the library does not wait for it when it closes. */
const FLUSH_MS = 50;
/** A shorter delay is waited for here: on a channel that is new the server may be 5 s late with it. */
const SHORT_MS = 1_000;
/** What a server takes at most, unless it is told otherwise. */
const LONGEST_MS = 3_600_000;

/** One subscription: a channel of each nsqd, and the handler behind them. */
export class NsqSubscription implements ServedSubscription {
  readonly topic: string;
  readonly options: SubscribeOptions;
  readonly #client: NsqClient;
  readonly #nodes: Nodes;
  readonly #settings: ServedLimits & { readonly messageTimeoutMs: number };
  readonly #parts: ClientParts;
  readonly #handout: Handout;
  readonly #channel: string;
  readonly #leaveWhenDone: () => Promise<void>;
  readonly #readers = new Map<string, Reader>();
  /** Those that nobody has said a word on, and where they are from. */
  readonly #held = new Map<Message, Reader>();
  /** Those that wait here for their time. */
  readonly #refused = new Map<Message, Timer>();
  #touching: Timer | undefined;
  #ending = false;
  #left: Promise<void> | undefined;

  constructor(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
    { client, nodes }: { readonly client: NsqClient; readonly nodes: Nodes },
    settings: ServedLimits & { readonly messageTimeoutMs: number },
    parts: ClientParts,
  ) {
    this.topic = topic;
    this.options = options;
    this.#client = client;
    this.#nodes = nodes;
    this.#settings = settings;
    this.#parts = parts;
    this.#channel = options.queue ?? `${randomUUID()}#ephemeral`;
    this.#handout = new Handout(topic, handler, options, settings, parts);
    // In nobody's context: a handler that ends its own subscription is waited for here, and not by itself.
    this.#leaveWhenDone = AsyncResource.bind(() => this.#handout.end().then(() => this.#leave()));
  }

  /** Subscribes at all nsqds. Rejects, with nothing left behind, where none of them can be reached in time. */
  async begin(): Promise<void> {
    const addresses = this.#nodes.all;
    const { timeoutMs } = this.#settings;
    const faults: OctavoError[] = [];
    const opening = addresses.map((address) =>
      this.#open(address, addresses.length).catch(
        (reason: unknown) => void faults.push(errorOf(address, reason)),
      ),
    );
    const late = (): OctavoError =>
      new OctavoError(
        'deadline_exceeded',
        `no nsqd let us subscribe to "${this.topic}" within ${timeoutMs} ms (timeoutMs)`,
      );
    try {
      await within(timeoutMs, this.#parts.clock, Promise.all(opening), late);
      if (this.#ending)
        throw new OctavoError('unavailable', `the subscription to "${this.topic}" was ended while it began`);
      const [fault] = faults;
      if (fault !== undefined && faults.length === addresses.length) throw fault;
    } catch (reason) {
      await this.stop();
      throw reason;
    }
    this.#touch();
  }

  /** There are other nsqds than before. */
  renew(): void {
    if (this.#ending) return;
    const addresses = this.#nodes.all;
    for (const address of addresses)
      if (!this.#readers.has(address)) this.#open(address, addresses.length).catch(() => {});
    for (const [address, reader] of this.#readers)
      if (!addresses.includes(address)) {
        this.#readers.delete(address);
        quietly(() => reader.close());
      }
  }

  async unsubscribe(): Promise<void> {
    this.#stopTaking();
    const left = this.#leaveWhenDone();
    await this.#handout.end();
    if (!this.#handout.busy) await left;
  }

  /** As {@link unsubscribe}, but not for ever. */
  async stop(): Promise<void> {
    this.#stopTaking();
    await this.#handout.endWithin(this.#settings.drainMs);
    await this.#leave();
  }

  #stopTaking(): void {
    this.#ending = true;
    for (const reader of this.#readers.values()) quietly(() => reader.pause());
    for (const [message, timer] of this.#refused) {
      timer.cancel();
      this.#requeue(message, 0);
    }
  }

  #leave(): Promise<void> {
    return (this.#left ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#touching?.cancel();
    for (const message of this.#held.keys()) this.#requeue(message, 0);
    if (this.#readers.size === 0) return;
    await this.#parts.clock.sleep(FLUSH_MS);
    for (const reader of this.#readers.values()) quietly(() => reader.close());
    this.#readers.clear();
  }

  /** Resolves when the channel is there. Rejects with what the first attempt failed with; the reader goes on trying. */
  #open(address: string, of: number): Promise<void> {
    // The server is the only one that can keep to it, and each gets its share.
    const maxInFlight = Math.max(1, Math.ceil(this.#settings.prefetch / of));
    const reader = this.#client.reader(address, this.topic, this.#channel, maxInFlight);
    this.#readers.set(address, reader);
    const { logger } = this.#parts;
    const { topic } = this;
    return new Promise((resolve, reject) => {
      let told = false;
      reader.on('ready', () => {
        if (told) logger.info('a subscription is back', { topic, address });
        told = false;
        resolve();
      });
      reader.on('error', (cause: Error) => {
        const error = errorOf(address, cause);
        reject(error);
        if (told || this.#ending || /E_(?:FIN|REQ|TOUCH)_FAILED/.test(cause.message)) return;
        told = true;
        logger.warn('a subscription has lost an nsqd, and tries again', { topic, address, error });
      });
      reader.on('nsqd_closed', () => {
        reject(errorOf(address, undefined));
        this.#forget(reader);
        this.#connectAgain(reader, address);
      });
      reader.on('message', (message: Message) => this.#take(message, reader));
      reader.connect();
    });
  }

  /** Sooner than the reader would by itself, which may be a second later. */
  #connectAgain(reader: Reader, address: string): void {
    const { host, port } = parseAddress(address);
    const again = (): void => {
      if (!this.#ending && this.#readers.get(address) === reader) reader.connectToNSQD(host, port);
    };
    this.#parts.clock.after(RETRY_MS, again, { background: true });
  }

  /** What came by a connection that is gone is another's, and no word on it can be said. */
  #forget(reader: Reader): void {
    for (const [message, from] of this.#held)
      if (from === reader) {
        this.#refused.get(message)?.cancel();
        this.#refused.delete(message);
        this.#held.delete(message);
      }
  }

  #take(message: Message, reader: Reader): void {
    if (this.#ending) return message.requeue(0, false);
    const incoming = this.#read(message);
    if (incoming === undefined) return message.finish();
    this.#held.set(message, reader);
    // With more nsqds than there were, their shares may be too much together.
    if (!this.#handout.offer(incoming)) this.#again(message, SHORT_MS);
  }

  /** What can be no event is logged, and dropped. */
  #read(message: Message): Incoming | undefined {
    try {
      return {
        message: readEnvelope(message.body, HEADER_LIMITS),
        // The library reads an unsigned number as a signed one.
        attempt: message.attempts & 0xffff,
        ack: () => {
          if (this.#held.delete(message)) message.finish();
        },
        nack: (delayMs) => this.#again(message, delayMs),
      };
    } catch (error) {
      const { topic } = this;
      this.#parts.logger.warn('an event cannot be read, and is dropped', { topic, error });
      return undefined;
    }
  }

  #again(message: Message, delayMs: number): void {
    if (this.#ending || delayMs === 0 || delayMs > SHORT_MS) return this.#requeue(message, delayMs);
    const timer = this.#parts.clock.after(delayMs, () => this.#requeue(message, 0), { background: true });
    this.#refused.set(message, timer);
  }

  #requeue(message: Message, delayMs: number): void {
    this.#refused.delete(message);
    if (!this.#held.delete(message)) return;
    // The default would have the reader take nothing else for a while.
    message.requeue(Math.min(LONGEST_MS, Math.round(delayMs)), false);
  }

  /** Says now and then that what is held is still at work: the server would send it again. */
  #touch(): void {
    const ms = this.#settings.messageTimeoutMs / 3;
    const touch = (): void => {
      for (const message of this.#held.keys()) message.touch();
      this.#touch();
    };
    this.#touching = this.#parts.clock.after(ms, touch, { background: true });
  }
}
