import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import type { Message } from '../../core/message.js';
import type { NatsClient, NatsMessage, NatsSubscription } from '../../core/nats.js';
import { quietly } from '../../core/quietly.js';
import { readEnvelope } from '../envelope.js';
import type { Handout } from '../handout.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';

/** For how long the server keeps what was asked for, and how often it says that it does, in milliseconds. */
const EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 5_000;
/** After how many silent heartbeats it is asked again. */
const MOST_SILENCE = 3;
/** How long after a failure a consumer is looked for again, in milliseconds. */
const RETRY_MS = 250;

/** Where the answer goes to what is only asked to be remembered. */
const STAYING = 'staying';

/** What is said of an event. Source: NATS ADR-15. */
const ACK = '+ACK';
const NAK = '-NAK';
const WORKING = '+WPI';
const TERM = '+TERM';
const NAK_LATER = '-NAK {"delay":1000000000}';

/** An event that no handler could deal with, or that cannot be read. */
export interface Grave {
  readonly topic: string;
  readonly message: Message | undefined;
  readonly data: Uint8Array;
  /** The same for the same event of the same consumer. */
  readonly id: string;
  readonly attempt: number;
}

export interface PullerParts {
  readonly client: NatsClient;
  readonly store: Store;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the consumer where it is not there. */
  readonly ensure: () => Promise<void>;
  /** Resolves when the event is elsewhere, and may go from here. */
  readonly bury: (grave: Grave) => Promise<void>;
}

/**
 * Brings the events of one consumer to one subscription: as many as there is room for and no more, and tells the server of each, time and
 * again, that it is worked on.
 */
export class Puller {
  readonly #consumer: string;
  readonly #handout: Handout;
  readonly #parts: PullerParts;
  readonly #inbox = `_INBOX.${randomUUID().replaceAll('-', '')}`;
  readonly #heard: NatsSubscription;
  /** Where the server is told of each event that is held. */
  readonly #held = new Set<string>();
  /** How many events the server was asked for, and has not sent. */
  #asked = 0;
  #silence = 0;
  /** Whether nothing was asked for since it was last looked at. */
  #idle = true;
  #timers: Timer[] = [];
  #renewing = false;
  #ended = false;

  constructor(consumer: string, handout: Handout, parts: PullerParts) {
    this.#consumer = consumer;
    this.#handout = handout;
    this.#parts = parts;
    this.#heard = parts.client.subscribe(`${this.#inbox}.*`, (message) => this.#take(message));
    this.#every(HEARTBEAT_MS, () => this.#listen());
    this.#every(parts.settings.ackWaitMs / 3, () => {
      for (const reply of this.#held) this.#say(reply, WORKING);
    });
    this.#every(parts.settings.inactiveMs / 3, () => this.#stay());
  }

  /** Asks for what there is room for. What is about to be free is asked for together. */
  ask(): void {
    const { client, store, settings } = this.#parts;
    const batch = this.#handout.free - this.#asked;
    if (this.#ended || this.#renewing || !client.up || batch <= 0) return;
    if (this.#asked > 0 && batch < settings.prefetch / 2) return;
    const options = { batch, expiresMs: EXPIRES_MS, heartbeatMs: HEARTBEAT_MS };
    // Where the connection breaks just now, it is asked again when it is back.
    quietly(() => store.pull(this.#consumer, `${this.#inbox}.events`, options));
    this.#asked += batch;
    this.#idle = false;
  }

  /** Begins anew: the connection is another, or the consumer may be gone. Tries until it is there. */
  async renew(): Promise<void> {
    if (this.#renewing || this.#ended) return;
    this.#renewing = true;
    const { client, clock, logger, ensure } = this.#parts;
    for (let failed = false; !this.#ended && client.up; failed = true)
      try {
        await ensure();
        break;
      } catch (error) {
        if (!failed)
          logger.warn('a consumer cannot be reached, trying on', { consumer: this.#consumer, error });
        await clock.sleep(RETRY_MS);
      }
    this.#renewing = false;
    this.#asked = 0;
    this.#silence = 0;
    this.ask();
  }

  /** Asks for no more, and resolves when the server sends no more; what it had sent goes back. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#heard.drain();
  }

  /** Forgets what is still held: the subscription is over. */
  close(): void {
    this.#ended = true;
    this.#heard.end();
    for (const timer of this.#timers) timer.cancel();
    this.#held.clear();
  }

  #take(message: NatsMessage): void {
    this.#silence = 0;
    if (message.subject === `${this.#inbox}.${STAYING}`) return undefined;
    if (message.status !== 0) return this.#told(message);
    this.#asked = Math.max(0, this.#asked - 1);
    const { topic, attempt, id } = this.#whence(message);
    const { data, reply } = message;
    let read: Message | undefined;
    try {
      read = readEnvelope(data, this.#parts.settings);
    } catch {
      read = undefined;
    }
    const grave = { topic, message: read, data, id, attempt };
    this.#held.add(reply);
    if (read === undefined || attempt > this.#parts.settings.maxDeliver) return void this.#bury(grave, reply);
    const incoming = {
      topic,
      message: read,
      attempt,
      ack: () => this.#settle(reply, ACK),
      nack: (delayMs: number) => this.#refuse(grave, reply, delayMs),
    };
    // There may be no room when the server sends what it was asked for before a break.
    if (!this.#handout.offer(incoming)) this.#settle(reply, NAK);
    return undefined;
  }

  /** What the server says of what it was asked for. */
  #told(message: NatsMessage): void {
    const { status } = message;
    if (status === 100) return;
    if (status === 408 || status === 404) {
      this.#asked = Math.max(0, this.#asked - Number(message.header('Nats-Pending-Messages') || this.#asked));
      return this.ask();
    }
    // The consumer is gone, or the stream, or whoever led them.
    void this.renew();
  }

  #whence({ subject, reply }: NatsMessage): { topic: string; attempt: number; id: string } {
    const parts = reply.split('.');
    // Behind a domain and an account there are more. Source: NATS ADR-15.
    const at = parts.length < 11 ? 4 : 6;
    return {
      topic: subject.slice(this.#parts.settings.prefix.length),
      attempt: Math.max(1, Number(parts[at]) || 1),
      id: `${this.#consumer}/${parts[at + 1] ?? ''}`,
    };
  }

  async #refuse(grave: Grave, reply: string, delayMs: number): Promise<void> {
    if (delayMs > 0 && grave.attempt >= this.#parts.settings.maxDeliver) return this.#bury(grave, reply);
    const delay = Math.round(delayMs * 1_000_000);
    this.#settle(reply, delay > 0 ? `${NAK} ${JSON.stringify({ delay })}` : NAK);
    return undefined;
  }

  async #bury(grave: Grave, reply: string): Promise<void> {
    let word = TERM;
    try {
      await this.#parts.bury(grave);
    } catch (error) {
      const { topic, attempt } = grave;
      this.#parts.logger.error('an event could not be buried, and comes again', { topic, attempt, error });
      word = NAK_LATER;
    }
    this.#held.delete(reply);
    this.#say(reply, word);
    this.#askSoon();
  }

  /** Tells the server what became of an event. Throws `unavailable` without a connection: it comes again. */
  #settle(reply: string, word: string): void {
    this.#held.delete(reply);
    this.#askSoon();
    this.#parts.client.publish(reply, Buffer.from(word));
  }

  /** Tells the server something of an event that it does without, where it must. */
  #say(reply: string, word: string): void {
    quietly(() => this.#parts.client.publish(reply, Buffer.from(word)));
  }

  /** When the handout knows that it has room. */
  #askSoon(): void {
    setImmediate(() => this.ask());
  }

  /** Nothing was heard for a while, though something was asked for: it got lost. */
  #listen(): void {
    if (!this.#parts.client.up || this.#asked === 0) this.#silence = 0;
    else if (++this.#silence > MOST_SILENCE) void this.renew();
    this.ask();
  }

  /**
   * The server forgets a consumer that is asked for nothing for `inactiveMs`, with all that it has in hand, though its subscriber may be
   * full, and at work. So it is asked for one event that no event is small enough for.
   */
  #stay(): void {
    const { client, store } = this.#parts;
    const options = { batch: 1, expiresMs: 100, maxBytes: 1 };
    if (this.#idle && client.up && !this.#ended)
      quietly(() => store.pull(this.#consumer, `${this.#inbox}.${STAYING}`, options));
    this.#idle = true;
  }

  #every(ms: number, run: () => void): void {
    const at = this.#timers.length;
    const again = (): void => {
      this.#timers[at] = this.#parts.clock.after(
        ms,
        () => {
          again();
          run();
        },
        { background: true },
      );
    };
    again();
  }
}
