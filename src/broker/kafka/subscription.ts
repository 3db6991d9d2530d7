import { AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { within } from '../../core/within.js';
import type { DeliveryHandler, SubscribeOptions } from '../broker.js';
import { HEADER_LIMITS, readEnvelope } from '../envelope.js';
import { Handout, type Incoming } from '../handout.js';
import type { ServedLimits } from '../served.js';
import type { ServedSubscription } from '../served-broker.js';
import { CLOSE_MS, RETRY_MS, type KafkaClient } from './client.js';
import type { ClientParts } from './options.js';
import { Member, type Record } from './member.js';

export interface SubscriptionSettings extends ServedLimits {
  readonly commitIntervalMs: number;
  readonly sessionTimeoutMs: number;
  readonly maxBytes: number;
  readonly groupPrefix: string;
}

/** So many events are dealt with before the server is told, unless the time comes first. */
const COMMIT_EVERY = 500;
/** How far the newest event that is taken may be ahead of the oldest that is not dealt with. */
const MOST_AHEAD = 10_000;
/** How many refused events wait for their time, and how many bytes of them, before no more are taken. */
const MOST_REFUSED = 1_024;
const MOST_REFUSED_BYTES = 64 * 1024 * 1024;

/** One subscription: one member of a group after the other, and the handler behind them. */
export class KafkaSubscription implements ServedSubscription {
  readonly topic: string;
  readonly options: SubscribeOptions;
  readonly #client: KafkaClient;
  readonly #settings: SubscriptionSettings;
  readonly #parts: ClientParts;
  readonly #handout: Handout;
  readonly #group: string;
  readonly #instance = randomUUID();
  readonly #leaving = new AbortController();
  readonly #leaveWhenDone: () => Promise<void>;
  /** Those that wait for their time. */
  readonly #refused = new Map<Record, Timer>();
  #refusedBytes = 0;
  #member: Member | undefined;
  #dealtWith = 0;
  #commitTimer: Timer | undefined;
  #left: Promise<void> | undefined;
  /** Told when an event is dealt with or tried again. */
  #waiting: (() => void)[] = [];

  constructor(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
    client: KafkaClient,
    settings: SubscriptionSettings,
    parts: ClientParts,
  ) {
    this.topic = topic;
    this.options = options;
    this.#client = client;
    this.#settings = settings;
    this.#parts = parts;
    this.#group = `${settings.groupPrefix}${options.queue ?? randomUUID()}`;
    this.#handout = new Handout(topic, handler, options, settings, parts);
    // In nobody's context: a handler that ends its own subscription is waited for here, and not by itself.
    this.#leaveWhenDone = AsyncResource.bind(() => this.#handout.end().then(() => this.#leave()));
  }

  /** Joins the group. Rejects, with nothing left behind, where that cannot be done in time. */
  async begin(): Promise<void> {
    const { clock } = this.#parts;
    const until = clock.now() + this.#settings.connectTimeoutMs;
    for (;;)
      try {
        void this.#keep(await this.#join(true));
        return;
      } catch (reason) {
        // A cluster that has just come up, or changed its mind on who leads, refuses for a moment.
        const passes = reason instanceof OctavoError && reason.code === 'unavailable';
        if (!passes || clock.now() + RETRY_MS > until || this.#leaving.signal.aborted) throw reason;
        await clock.sleep(RETRY_MS);
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

  /** What is taken and not acknowledged is not committed either: it comes again, to whoever of the group is there. */
  #stopTaking(): void {
    this.#leaving.abort();
    this.#forget();
  }

  #leave(): Promise<void> {
    return (this.#left ??= this.#sayGoodbye());
  }

  async #sayGoodbye(): Promise<void> {
    const { clock, logger } = this.#parts;
    const { topic } = this;
    this.#commitTimer?.cancel();
    const member = this.#member;
    if (member === undefined) return;
    const late = (): Error => new Error(`no answer within ${CLOSE_MS} ms`);
    await within(CLOSE_MS, clock, member.commit(), late).catch((error: unknown) =>
      logger.warn('what a subscription has dealt with was not committed, and comes again', { topic, error }),
    );
    await member.close();
    // Nobody else comes to a group without a name.
    if (this.options.queue === undefined) await this.#client.deleteGroup(this.#group);
  }

  /** @param begins whether the subscription begins with it */
  async #join(begins: boolean): Promise<Member> {
    const { topic } = this;
    const { maxBytes, sessionTimeoutMs, timeoutMs } = this.#settings;
    const member = new Member(
      { topic, group: this.#group, instance: this.#instance, maxBytes, begins },
      this.#client,
      this.#parts.logger,
    );
    this.#member = member;
    // A member that has died is waited for until its session ends.
    const ms = sessionTimeoutMs + timeoutMs;
    const late = (): Error => new Error(`no answer within ${ms} ms`);
    try {
      await within(ms, this.#parts.clock, Promise.race([member.join(), member.ended]), late);
      if (this.#leaving.signal.aborted) throw new Error('it was ended meanwhile');
      return member;
    } catch (reason) {
      await member.close();
      throw this.#client.error(`subscribe to "${topic}"`, reason);
    }
  }

  /** Takes what comes, and has another member take the place of one that something went wrong with. */
  async #keep(first: Member): Promise<void> {
    const { topic } = this;
    const { logger } = this.#parts;
    for (let member: Member | undefined = first; member !== undefined;) {
      try {
        for await (const record of member.records()) {
          await this.#room(member);
          await this.#offer(member, record, 1);
        }
      } catch (error) {
        if (!this.#leaving.signal.aborted)
          logger.warn('a subscription has lost Kafka, and joins again', { topic, error });
      }
      if (this.#leaving.signal.aborted) return;
      this.#forget();
      void member.close();
      member = await this.#joinAgain();
    }
  }

  async #joinAgain(): Promise<Member | undefined> {
    const { clock, logger } = this.#parts;
    const { topic } = this;
    for (let attempt = 1; ; attempt++) {
      try {
        const member = await this.#join(false);
        logger.info('a subscription is back', { topic });
        return member;
      } catch (error) {
        if (this.#leaving.signal.aborted) return undefined;
        if (attempt === 1) logger.warn('a subscription cannot join again yet', { topic, error });
      }
      try {
        await clock.sleep(RETRY_MS, this.#leaving.signal);
      } catch {
        return undefined;
      }
    }
  }

  /** Resolves when more may be taken of this member. */
  async #room(member: Member): Promise<void> {
    const full = (): boolean =>
      member.span >= MOST_AHEAD ||
      this.#refused.size >= MOST_REFUSED ||
      this.#refusedBytes >= MOST_REFUSED_BYTES;
    while (full() && this.#isCurrent(member))
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), member.ended]);
  }

  async #offer(member: Member, record: Record, attempt: number): Promise<void> {
    const incoming = this.#read(member, record, attempt);
    while (incoming !== undefined && this.#isCurrent(member) && !this.#handout.offer(incoming)) {
      if (this.#handout.ended) return;
      await Promise.race([this.#handout.room(), member.ended]);
    }
  }

  /** What can be no event is logged and dealt with. */
  #read(member: Member, record: Record, attempt: number): Incoming | undefined {
    const { topic } = this;
    const { key, value, partition, offset } = record;
    try {
      const message = readEnvelope(value, HEADER_LIMITS);
      return {
        message,
        attempt,
        key: key === undefined || key.length === 0 ? undefined : key.toString('latin1'),
        ack: () => this.#done(member, record),
        nack: (delayMs) => this.#again(member, record, attempt, delayMs),
      };
    } catch (error) {
      this.#parts.logger.warn('an event cannot be read, and is dropped', {
        topic,
        partition,
        offset: String(offset),
        error,
      });
      this.#done(member, record);
      return undefined;
    }
  }

  #done(member: Member, record: Record): void {
    member.done(record);
    this.#wake();
    if (++this.#dealtWith >= COMMIT_EVERY) this.#commit();
    else
      this.#commitTimer ??= this.#parts.clock.after(this.#settings.commitIntervalMs, () => this.#commit(), {
        background: true,
      });
  }

  #commit(): void {
    this.#dealtWith = 0;
    this.#commitTimer?.cancel();
    this.#commitTimer = undefined;
    if (!this.#leaving.signal.aborted) void this.#member?.commit();
  }

  /** Kafka takes nothing back: a refused event waits here, and keeps what is committed behind it. */
  #again(member: Member, record: Record, attempt: number, delayMs: number): void {
    if (!this.#isCurrent(member)) return;
    const timer = this.#parts.clock.after(
      delayMs,
      () => {
        this.#forgetOne(record);
        // By now it may be another's.
        if (member.owns(record)) void this.#offer(member, record, attempt + 1);
      },
      { background: true },
    );
    this.#refused.set(record, timer);
    this.#refusedBytes += record.value.length;
  }

  #forgetOne(record: Record): void {
    this.#refused.get(record)?.cancel();
    this.#refused.delete(record);
    this.#refusedBytes -= record.value.length;
    this.#wake();
  }

  #forget(): void {
    for (const record of [...this.#refused.keys()]) this.#forgetOne(record);
    this.#wake();
  }

  #isCurrent(member: Member): boolean {
    return member === this.#member && !member.over && !this.#leaving.signal.aborted;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
