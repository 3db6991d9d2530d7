import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import type { RabbitChannel, RabbitDelivery } from '../../core/rabbitmq-channel.js';
import { bytesOf } from '../../core/rabbitmq-message.js';
import type { RabbitClient } from '../../core/rabbitmq.js';
import type { DeliveryHandler, SubscribeOptions } from '../broker.js';
import { Handout } from '../handout.js';
import type { ServedLimits } from '../served.js';
import type { ServedSubscription } from '../served-broker.js';
import { lastingExchange, queueOf, waitingRoom, type Topology } from './names.js';
import type { Publisher } from './publisher.js';
import { dropUnreadable } from './unreadable.js';
import { againAt, dueAt, readEvent, type Received } from './wire.js';

export interface SubscriptionInit {
  readonly client: RabbitClient;
  readonly topology: Topology;
  readonly limits: ServedLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Declares the exchanges. */
  readonly exchanges: (channel: RabbitChannel) => Promise<void>;
  /** Puts what was refused where it waits. */
  readonly waits: Publisher;
}

/** How long after a failed attempt to subscribe again the next one is made. */
const RETRY_MS = 500;

/** What came, and was not acknowledged or refused yet. */
interface Pending {
  readonly came: RabbitDelivery;
  readonly received: Received;
  readonly channel: RabbitChannel;
}

/** One subscriber: a channel with one consumer, opened anew whenever it has closed. */
export class Subscription implements ServedSubscription {
  readonly topic: string;
  readonly options: SubscribeOptions;
  /** Whether something may wait in its queue that cannot be read, and would break the connection again. */
  #suspect = false;
  readonly #init: SubscriptionInit;
  readonly #handout: Handout;
  /** What waits for room: no more than twice the prefetch, as the server sends no more from either queue. */
  #pending: Pending[] = [];
  #pumping = false;
  #channel: RabbitChannel | undefined;
  #queue = '';
  #consumers: readonly string[] = [];
  /** Those that were refused before and are not due. */
  readonly #early = new Map<RabbitDelivery, Timer>();
  /** What was handed out and is not settled, on the channel that is open. */
  #unsettled = 0;
  readonly #ending = new AbortController();
  #beginning: Promise<void> | undefined;
  #retrying = false;

  constructor(topic: string, handler: DeliveryHandler, options: SubscribeOptions, init: SubscriptionInit) {
    this.topic = topic;
    this.options = options;
    this.#init = init;
    this.#handout = new Handout(topic, handler, options, init.limits, init);
  }

  /** Begins to receive. Rejects, with nothing left behind, with what the server says. */
  begin(): Promise<void> {
    this.#beginning = this.#begin();
    return this.#beginning;
  }

  async #begin(): Promise<void> {
    const { client } = this.#init;
    let begun = false;
    const channel = await client.channel(
      `subscribe to "${this.topic}"`,
      (opened) => this.#consume(opened),
      () => begun && this.#closed(channel),
    );
    begun = true;
    this.#channel = channel;
    if (!this.#ended) return;
    await client.close(channel);
    throw new OctavoError('failed_precondition', `the subscription to "${this.topic}" was ended meanwhile`);
  }

  /** The connection is there again. */
  renew(unreadable: boolean): void {
    this.#suspect ||= unreadable;
    if (this.#channel === undefined || !this.#channel.active) void this.#again();
  }

  /** Takes no more, gives back what nobody has begun with, and waits for what is in hand. */
  async unsubscribe(): Promise<void> {
    await this.#leave();
    await this.#handout.end();
    await this.#closeIfSettled();
  }

  /** As {@link unsubscribe}, but not for ever. */
  async stop(): Promise<void> {
    await this.#leave();
    await this.#handout.endWithin(this.#init.limits.drainMs);
    const channel = this.#channel;
    if (channel !== undefined) await this.#init.client.close(channel);
  }

  async #leave(): Promise<void> {
    if (this.#ended) return;
    this.#ending.abort();
    await this.#beginning?.catch(() => {});
    this.#giveBack();
    const channel = this.#channel;
    if (channel !== undefined)
      for (const consumer of this.#consumers) await this.#init.client.cancel(channel, consumer);
    this.#giveBack();
  }

  async #consume(channel: RabbitChannel): Promise<void> {
    const { topology, limits, exchanges } = this.#init;
    await exchanges(channel);
    const { queue } = await channel.queueDeclare(queueOf(this.topic, this.options, topology));
    const exchange = this.options.durable === true ? lastingExchange(topology) : topology.exchange;
    await channel.queueBind({ queue, exchange, routingKey: this.topic });
    await channel.basicQos({ prefetchCount: limits.prefetch });
    channel.once('basic.cancel', () => {
      if (this.#ended) return;
      // Somebody has deleted the queue.
      void this.#init.client.close(channel);
      this.#closed(channel);
    });
    this.#queue = queue;
    const room = waitingRoom(queue, this.options);
    await channel.queueDeclare(room);
    const tags = [
      await channel.basicConsume({ queue: room.queue }, (came) => this.#hold(channel, came)),
      await channel.basicConsume({ queue }, (came) => this.#came(channel, came)),
    ];
    this.#consumers = tags.map(({ consumerTag }) => consumerTag);
  }

  /** Has one that was refused before wait until it is due. */
  #hold(channel: RabbitChannel, came: RabbitDelivery): void {
    const { clock } = this.#init;
    const waitMs = Math.ceil(dueAt(came) - clock.now());
    if (waitMs <= 0 || this.#ended) return this.#came(channel, came);
    const due = (): void => {
      this.#early.delete(came);
      this.#came(channel, came);
    };
    this.#early.set(came, clock.after(waitMs, due));
    return undefined;
  }

  #came(channel: RabbitChannel, came: RabbitDelivery): void {
    if (this.#ended) return this.#tell(channel, came, { requeue: true });
    let received: Received;
    try {
      const { maxMessageBytes } = this.#init.limits;
      received = readEvent(came);
      if (received.message.body.length > maxMessageBytes)
        throw new OctavoError('resource_exhausted', `it has over ${maxMessageBytes} bytes (maxMessageBytes)`);
    } catch (error) {
      // It would be no better the next time. A queue that has a dead letter exchange keeps it there.
      this.#init.logger.error('an event cannot be taken, and is dropped', { topic: this.topic, error });
      return this.#tell(channel, came, { requeue: false });
    }
    this.#pending.push({ came, received, channel });
    void this.#pump();
  }

  /** Hands out what came as there is room: there is less after a reconnect, while what came before is still in hand. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      if (!this.#offer(next)) await this.#handout.room();
      else if (this.#pending[0] === next) this.#pending.shift();
      if (this.#ended) break;
    }
    this.#pumping = false;
  }

  #offer(pending: Pending): boolean {
    const { channel, came, received } = pending;
    if (!channel.active) return true;
    const offered = this.#handout.offer({
      ...received,
      ack: () => this.#settle(channel, () => channel.basicAck({ deliveryTag: came.deliveryTag })),
      nack: (delayMs) => this.#settle(channel, () => this.#refuse(pending, delayMs)),
    });
    if (offered) this.#unsettled++;
    return offered;
  }

  async #settle(channel: RabbitChannel, tell: () => void | Promise<void>): Promise<void> {
    try {
      await tell();
    } finally {
      if (channel === this.#channel) {
        this.#unsettled--;
        if (this.#ended) void this.#closeIfSettled();
      }
    }
  }

  /** Has it come again: at once where nobody began with it, else as a copy that waits. */
  async #refuse({ came, received, channel }: Pending, delayMs: number): Promise<void> {
    const { deliveryTag } = came;
    if (this.#ended && delayMs === 0) return channel.basicNack({ deliveryTag, requeue: true });
    const waitMs = Math.max(1, delayMs);
    const { client, clock, waits } = this.#init;
    const room = waitingRoom(this.#queue, this.options);
    try {
      await waits.prepare('have an event wait', (opened) => opened.queueDeclare(room));
      const envelope = { ...againAt(came, received, clock.now() + waitMs), routingKey: room.queue };
      const sent = waits.send('have an event wait', envelope, bytesOf(came.body));
      await client.ask('have an event wait', sent);
    } catch (error) {
      this.#init.logger.warn('a refused event cannot wait at the server, and waits here', {
        topic: this.topic,
        error,
      });
      await this.#pause(waitMs);
      return channel.basicNack({ deliveryTag, requeue: true });
    }
    channel.basicAck({ deliveryTag });
  }

  /** Waits, but not beyond the end. */
  async #pause(ms: number): Promise<void> {
    try {
      await this.#init.clock.sleep(ms, this.#ending.signal);
    } catch {
      // The end has come.
    }
  }

  get #ended(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Gives back what the handout has not taken. */
  #giveBack(): void {
    for (const came of this.#wake()) if (this.#channel) this.#tell(this.#channel, came, { requeue: true });
    for (const { channel, came } of this.#pending.splice(0)) this.#tell(channel, came, { requeue: true });
  }

  /** Waits no more for those that are not due, and gives them. */
  #wake(): RabbitDelivery[] {
    for (const timer of this.#early.values()) timer.cancel();
    const early = [...this.#early.keys()];
    this.#early.clear();
    return early;
  }

  #tell(channel: RabbitChannel, { deliveryTag }: RabbitDelivery, { requeue }: { requeue: boolean }): void {
    // On one that has closed it was given back already.
    if (channel.active) channel.basicNack({ deliveryTag, requeue });
  }

  async #closeIfSettled(): Promise<void> {
    const channel = this.#channel;
    if (channel !== undefined && this.#unsettled === 0) await this.#init.client.close(channel);
  }

  /** Takes away what cannot be read, where the queue may have it: one without a name is gone. */
  async #clean(): Promise<void> {
    const { client, topology, limits, logger } = this.#init;
    const { queue, exclusive } = queueOf(this.topic, this.options, topology);
    if (exclusive !== true) {
      const events = await dropUnreadable(client, queue, limits.prefetch);
      if (events > 0)
        logger.error('events that cannot be read are dropped: their headers nest too deep', {
          topic: this.topic,
          queue,
          events,
        });
    }
    this.#suspect = false;
  }

  #closed(channel: RabbitChannel): void {
    if (channel !== this.#channel) return;
    this.#channel = undefined;
    this.#unsettled = 0;
    this.#wake();
    this.#pending = this.#pending.filter((each) => each.channel !== channel);
    void this.#again();
  }

  /** Subscribes again, as often as it takes. While the connection is down it waits to be told. */
  async #again(): Promise<void> {
    const { client, logger } = this.#init;
    if (this.#retrying || this.#ended) return;
    this.#retrying = true;
    while (!this.#ended && client.up && this.#channel === undefined)
      try {
        if (this.#suspect) await this.#clean();
        await this.begin();
      } catch (error) {
        logger.warn('cannot subscribe again, and will try', { topic: this.topic, error });
        await this.#pause(RETRY_MS);
      }
    this.#retrying = false;
  }
}
