import type { Broker, Delivery, Subscriber } from '../../broker/broker.js';
import type { Codecs } from '../../codec/codecs.js';
import type { Clock } from '../../core/clock.js';
import { EventContext, type NackOptions } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import type { Identity } from '../../core/identity.js';
import type { Logger } from '../../core/logger.js';
import type { Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import { CONTENT_TYPE, userMetadata } from '../../core/mucp.js';
import { schemaOf } from '../../schema/schema.js';
import { attach, checkGuarded } from '../../wrapper/attach.js';
import { compose, type Next, type Wrapper } from '../../wrapper/wrapper.js';
import { ServerCall } from '../server-call.js';
import type { Subscription } from '../server.js';

export interface RunningParts {
  readonly identity: Identity;
  readonly broker: Broker;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a handler may say of an event. */
export interface Acknowledgement {
  acknowledge(): void;
  refuse(options: NackOptions): void;
}

/** Put behind a topic's name to name the topic of what nobody could deal with. */
const DEAD = '.dead';

/** The longest wait that an error may ask for (`retry_after`), in milliseconds: an event in hand keeps others from its place. */
const LONGEST_MS = 60_000;

/** A subscription at work: what becomes of each event that the broker delivers. */
export class Running {
  readonly subscription: Subscription;
  readonly #parts: RunningParts;
  readonly #run: Next;
  readonly #inHand = new Set<EventContext>();
  /** Ends the waiting between two tries. */
  #ending = new AbortController();
  #subscriber: Subscriber | undefined;

  /** @throws `failed_precondition` for what the broker cannot give */
  constructor(subscription: Subscription, wrappers: readonly Wrapper[], parts: RunningParts) {
    const { broker } = parts;
    if (subscription.options.durable === true && !broker.guarantees.durable)
      throw new OctavoError(
        'failed_precondition',
        `${subscription.name} wants "${subscription.topic}" durable, which the ${broker.name} broker cannot give: use another broker, or leave it out`,
      );
    const { name, options, access } = subscription;
    const all = [...wrappers, ...subscription.wrappers];
    attach(all, { around: 'subscriber', name, manual: options.ack === 'manual' });
    checkGuarded(all, { name, access });
    this.subscription = subscription;
    this.#parts = parts;
    this.#run = compose(all, async (call) => {
      // The context of an event is made below, and is one.
      await subscription.handler(call.request, call.context as EventContext);
      return { body: undefined };
    });
  }

  /** How many events its handler deals with now. */
  get inHand(): number {
    return this.#inHand.size;
  }

  /** Subscribes. Rejects, with nothing left behind, when it is ended meanwhile. */
  async begin(): Promise<void> {
    const { topic, name, options } = this.subscription;
    const ending = (this.#ending = new AbortController());
    const subscriber = await this.#parts.broker.subscribe(topic, (delivery) => this.#take(delivery), {
      autoAck: false,
      ...(options.queue !== undefined && { queue: options.queue }),
      ...(options.durable !== undefined && { durable: options.durable }),
    });
    if (ending.signal.aborted) {
      await subscriber.unsubscribe();
      throw new OctavoError('failed_precondition', `${name} was ended while it subscribed to "${topic}"`);
    }
    this.#subscriber = subscriber;
  }

  /** Takes no more events, and waits for those in hand. Tries that wait for their time are given up. */
  async end(): Promise<void> {
    this.#ending.abort();
    await this.#subscriber?.unsubscribe();
  }

  /** Tells the handlers of events in hand that nobody waits any longer. */
  cancel(reason: OctavoError): void {
    for (const context of [...this.#inHand]) context.cancel(reason);
  }

  /** Gives an event to the handler, once. Rejects with what that threw. */
  async once(
    { topic, message, attempt }: Pick<Delivery, 'topic' | 'message' | 'attempt'>,
    acknowledgement: Acknowledgement,
  ): Promise<void> {
    const { identity, broker, clock, logger } = this.#parts;
    const { header } = message;
    const context = new EventContext({
      service: identity.name,
      endpoint: topic,
      clock,
      logger,
      metadata: () => userMetadata(header),
      peer: { address: '', octavo: false },
      attempt,
      id: header.get('Micro-Id') ?? '',
      ...acknowledgement,
    });
    const facts = {
      kind: 'event',
      endpoint: topic,
      idempotent: false,
      subscriber: this.subscription.name,
      broker: broker.name,
      access: this.subscription.access,
    } as const;
    const call = new ServerCall(facts, context, () => {
      context.meter?.received(message.body.length);
      return this.#decode(message);
    });
    this.#inHand.add(context);
    try {
      await context.run(() => this.#run(call));
    } finally {
      this.#inHand.delete(context);
      context.end();
    }
  }

  #decode({ header, body }: Message): unknown {
    const { topic, type } = this.subscription;
    const contentType = header.get(CONTENT_TYPE) ?? 'application/protobuf';
    const codec = this.#parts.codecs.get(contentType);
    if (codec === undefined)
      throw new OctavoError(
        'invalid_argument',
        `an event of "${topic}" has the unsupported content type "${contentType}"`,
      );
    const event = codec.readBody(body, type, 'event');
    // What a codec gives for a type is an instance of it.
    schemaOf(type).validate(event as object);
    return event;
  }

  /** Tries until it works or the tries are used up, then buries or refuses. */
  async #take(delivery: Delivery): Promise<void> {
    const { retry, ack } = this.subscription.options;
    const { topic, message } = delivery;
    const most = retry === undefined ? undefined : (retry.attempts ?? 5);
    for (let attempt = delivery.attempt; ; attempt++) {
      const verdict = new Verdict(delivery, () => this.#backoff(attempt));
      let reason: unknown = refusedByHand(attempt);
      try {
        await this.once({ topic, message, attempt }, verdict);
        if (ack !== 'manual') verdict.acknowledge();
      } catch (thrown) {
        reason = thrown;
        if (!verdict.fail(thrown)) this.#lost(thrown, attempt);
      }
      const { threw, delayMs } = verdict.close();
      if (delayMs === undefined) return;
      const left = attempt < (most ?? (threw ? 1 : Infinity));
      if (left && !threw && this.#parts.broker.guarantees.redelivery) return delivery.nack({ delayMs });
      if (left && (await this.#pause(delayMs))) continue;
      return this.#giveUp(delivery, attempt, reason);
    }
  }

  /** What is thrown after the event was settled changes nothing more. */
  #lost(error: unknown, attempt: number): void {
    const { topic, name } = this.subscription;
    const facts = { topic, subscriber: name, attempt, error };
    this.#parts.logger.error('a subscriber threw after it had acknowledged or refused an event', facts);
  }

  /** Waits before the next try. Returns whether there may be one. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await this.#parts.clock.sleep(ms, this.#ending.signal);
      return true;
    } catch {
      return false;
    }
  }

  /** How long to wait after a try, in milliseconds. */
  #backoff(attempt: number): number {
    const { retry } = this.subscription.options;
    try {
      return (retry?.backoff ?? jittered)(attempt);
    } catch (error) {
      const { topic, name } = this.subscription;
      this.#parts.logger.error('the back-off of a subscriber threw', { topic, subscriber: name, error });
      return jittered(attempt);
    }
  }

  /** What nobody could deal with is logged and gone, or buried; at the end it goes back, for another node to try. */
  async #giveUp(delivery: Delivery, attempt: number, reason: unknown): Promise<void> {
    const { broker, logger } = this.#parts;
    const { name, options, topic: subscribed } = this.subscription;
    const { topic } = delivery;
    const facts = { topic, subscriber: name, attempt, error: reason };
    if (this.#ending.signal.aborted) return delivery.nack();
    // Where a topic stands for many, its dead letters may be among them.
    if (options.deadLetter !== true || (topic !== subscribed && topic.endsWith(DEAD))) {
      logger.error('a subscriber refused an event, which is dropped', facts);
      return delivery.ack();
    }
    try {
      const { header, body } = delivery.message;
      const grave = new Metadata(header).set('Micro-Topic', `${topic}${DEAD}`);
      await broker.publish(`${topic}${DEAD}`, { header: grave, body });
      logger.error(`a subscriber refused an event, which went to ${topic}${DEAD}`, facts);
      delivery.ack();
    } catch (error) {
      logger.error(`an event could go neither to its subscriber nor to ${topic}${DEAD}`, {
        ...facts,
        because: error,
      });
      delivery.nack();
    }
  }
}

/** What a handler says of an event: the first word counts. What it says after its return goes to the broker as it is. */
class Verdict implements Acknowledgement {
  readonly #delivery: Delivery;
  readonly #backoff: () => number;
  #settled = false;
  #returned = false;
  #threw = false;
  #delayMs: number | undefined;

  constructor(delivery: Delivery, backoff: () => number) {
    this.#delivery = delivery;
    this.#backoff = backoff;
  }

  readonly acknowledge = (): void => {
    if (this.#settled) return;
    this.#settled = true;
    this.#delivery.ack();
  };

  readonly refuse = ({ delayMs = this.#backoff() }: NackOptions): void => {
    if (this.#settled) return;
    this.#settled = true;
    if (this.#returned) this.#delivery.nack({ delayMs });
    else this.#delayMs = delayMs;
  };

  /** The handler threw. Returns whether that counts. */
  fail(thrown: unknown): boolean {
    if (this.#settled) return false;
    this.#threw = true;
    const asked = thrown instanceof OctavoError ? (thrown.retryAfterMs ?? 0) : 0;
    this.refuse({ delayMs: Math.max(this.#backoff(), Math.min(asked, LONGEST_MS)) });
    return true;
  }

  /** The handler is through: whether it wants the event again, and when. */
  close(): { readonly threw: boolean; readonly delayMs: number | undefined } {
    this.#returned = true;
    return { threw: this.#threw, delayMs: this.#delayMs };
  }
}

function refusedByHand(attempt: number): OctavoError {
  return new OctavoError('aborted', `its handler refused the event at delivery ${attempt}`);
}

/** Full jitter under 100 ms, doubled for each retry, at most 10 s. */
function jittered(retry: number): number {
  return Math.random() * Math.min(10_000, 100 * 2 ** (retry - 1));
}
