import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import { NatsClient, type NatsMessage, type NatsOptions, type NatsParts } from '../../core/nats.js';
import type { DeliveryHandler, SubscribeOptions, Subscriber } from '../broker.js';
import { readEnvelope, type HeaderLimits } from '../envelope.js';
import { Handout } from '../handout.js';
import { Losses } from '../losses.js';
import { Publishes } from '../publishes.js';
import type { ServedLimits } from '../served.js';

export interface NatsLimits extends ServedLimits, HeaderLimits {
  readonly maxPendingBytes: number;
}

/** A publish that the server has not confirmed. */
interface Sent {
  readonly subject: string;
  refusal?: OctavoError;
}

/** The nats broker between a start and its stop. */
export class Session {
  readonly #client: NatsClient;
  readonly #limits: NatsLimits;
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  readonly #publishes: Publishes;
  readonly #sent = new Set<Sent>();
  /** What ends each subscription, within the time that a stop has. */
  readonly #own = new Set<() => Promise<void>>();
  #stopped = false;

  constructor(options: NatsOptions, limits: NatsLimits, parts: NatsParts) {
    this.#limits = limits;
    this.#parts = parts;
    this.#publishes = new Publishes('nats', limits, parts.clock);
    this.#client = new NatsClient('the nats broker', options, parts, {
      // What was published and not confirmed fails by its flush.
      down: () => {},
      forbidden: (subject, error) => {
        for (const sent of this.#sent) if (sent.subject === subject) sent.refusal = error;
      },
    });
  }

  get up(): boolean {
    return this.#client.up;
  }

  get where(): string {
    return this.#client.where;
  }

  start(): Promise<void> {
    return this.#client.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#own].map((end) => end()));
    await this.#publishes.endWithin(this.#limits.drainMs);
    await this.#client.stop();
  }

  publish(topic: string, data: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return this.#publishes.run(topic, signal, async () => {
      const sent: Sent = { subject: topic };
      this.#sent.add(sent);
      try {
        this.#client.publish(topic, data);
        await this.#client.confirm();
      } finally {
        this.#sent.delete(sent);
      }
      if (sent.refusal !== undefined) throw sent.refusal;
    });
  }

  async subscribe(topic: string, handler: DeliveryHandler, options: SubscribeOptions): Promise<Subscriber> {
    const { drainMs } = this.#limits;
    const handout = new Handout(topic, handler, options, { ...this.#limits, finishes: true }, this.#parts);
    let forbidden: OctavoError | undefined;
    const heard = this.#client.subscribe(topic, this.#taking(handout), {
      ...(options.queue !== undefined && { queue: options.queue }),
      refused: (error) => {
        forbidden = error;
        this.#parts.logger.error('the NATS server ended a subscription', { topic, error });
      },
    });
    const endWithin = async (): Promise<void> => {
      await heard.drain();
      await handout.endWithin(drainMs);
      this.#own.delete(endWithin);
    };
    this.#own.add(endWithin);
    try {
      await this.#client.confirm();
      if (forbidden !== undefined) throw forbidden;
      if (this.#stopped)
        throw new OctavoError(
          'failed_precondition',
          `the nats broker was stopped while it subscribed to "${topic}"`,
        );
    } catch (reason) {
      heard.end();
      await handout.end();
      this.#own.delete(endWithin);
      throw reason;
    }
    const unsubscribe = async (): Promise<void> => {
      await heard.drain();
      await handout.end();
      this.#own.delete(endWithin);
    };
    return { topic, options, unsubscribe };
  }

  /** Takes what comes for a subscription, as long as there is room. */
  #taking(handout: Handout): (message: NatsMessage) => void {
    const { topic } = handout;
    const dropped = new Losses('a subscriber is too far behind: events were dropped', { topic }, this.#parts);
    const unread = new Losses('events that cannot be read were dropped', { topic }, this.#parts);
    let pendingBytes = 0;
    return ({ subject, data }) => {
      const bytes = data.length;
      if (handout.free === 0 || pendingBytes + bytes > this.#limits.maxPendingBytes) return dropped.add();
      let message;
      try {
        message = readEnvelope(data, this.#limits);
      } catch {
        return unread.add();
      }
      pendingBytes += bytes;
      const done = (): void => void (pendingBytes -= bytes);
      handout.offer({ topic: subject, message, attempt: 1, ack: done, nack: done });
      return undefined;
    };
  }
}
