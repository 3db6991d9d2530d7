import { randomUUID } from 'node:crypto';
import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import type {
  RabbitChannel,
  RabbitEnvelope,
  RabbitMessage,
  RabbitProperties,
} from '../../core/rabbitmq-channel.js';
import { writeTable } from '../../core/rabbitmq-message.js';
import { RabbitClient, type RabbitOptions, type RabbitParts } from '../../core/rabbitmq.js';
import type { Bus, BusEvents, BusInbox, HearOptions, Hearing, Parcel } from '../bus/bus.js';
import { Ear, type EarInit } from './ear.js';
import { isPlace, placeOf, RabbitParcel } from './rabbit-parcel.js';

/** Go-micro's exchange. What its clients publish comes through it; whoever answers needs none. */
const EXCHANGE = 'micro';
/** What a server takes in one message unless it is told otherwise (`max_message_size`). */
const MOST_BYTES = 128 * 1024 * 1024;
/** Bytes that wait for a server that reads no more, at most; what is as small as the signs of life between peers still joins them. */
const MOST_UNSENT = 64 * 1024 * 1024;
const SMALL = 256;
/** For how long a stop waits until nothing is listened to any more. */
const STOP_MS = 1_000;
/** How long after a failed attempt to listen again the next one is made. */
const RETRY_MS = 500;

/**
 * A RabbitMQ server as a bus. Addresses are names of queues, which nobody else has.
 *
 * Everything is published to queues by their names, as mandatory: what no queue is there for comes back.
 */
export class RabbitBus implements Bus {
  readonly name = 'rabbitmq';
  readonly #client: RabbitClient;
  readonly #parts: RabbitParts;
  readonly #events: BusEvents;
  readonly #ears = new Set<Ear>();
  /** Those of our own addresses, by their queue. */
  readonly #inboxes = new Map<string, (parcel: Parcel, path: string) => void>();
  /** Queues are opened and closed one after the other, in the order in which that was asked for. */
  #last = Promise.resolve();
  #sender: RabbitChannel | undefined;
  #running = false;
  #ready = false;
  #opening = false;
  #mostBytes = MOST_BYTES;
  #unsent = 0;

  constructor(options: RabbitOptions, parts: RabbitParts, events: BusEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#client = new RabbitClient('the rabbitmq transport', options, parts, {
      down: (error) => this.#down(error),
      up: () => void this.#again(),
    });
  }

  get up(): boolean {
    return this.#ready && this.#client.up;
  }

  async start(): Promise<void> {
    await this.#client.start();
    this.#running = true;
    try {
      await this.#open();
    } catch (reason) {
      await this.stop();
      throw reason;
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#ready = false;
    for (const ear of this.#ears) this.#queue(() => ear.end());
    this.#ears.clear();
    this.#inboxes.clear();
    // A server that hangs is not waited for, at every queue.
    await this.#atMost(STOP_MS, this.#last);
    const sender = this.#sender;
    this.#sender = undefined;
    if (sender !== undefined) await this.#client.close(sender);
    await this.#client.stop();
  }

  isAddress(text: string): boolean {
    return isPlace(text);
  }

  checkAddress(text: string): void {
    if (!isPlace(text) || text.includes(' '))
      throw new OctavoError(
        'invalid_argument',
        `"${text}" is no address on RabbitMQ: it is the name of a queue, of at most 240 bytes, without spaces, * and #`,
      );
  }

  fresh(): string {
    return `octavo.${randomUUID().replaceAll('-', '')}`;
  }

  publish(to: string, frame: Uint8Array, reply?: string): void {
    this.#send(to, {}, Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength), reply);
  }

  post(to: string, { header, body }: Message, reply?: string): number {
    // What the sender changes afterwards is not sent.
    this.#send(to, { headers: writeTable(header) }, Buffer.from(body), reply);
    return body.length;
  }

  hear(address: string, deliver: (parcel: Parcel) => void, { shared, refused }: HearOptions): Hearing {
    const init = { queue: address, exchange: EXCHANGE, shared };
    return this.#listen(init, (came) => deliver(new RabbitParcel(came, false)), refused);
  }

  inbox(deliver: (parcel: Parcel, path: string) => void): BusInbox {
    const queue = this.fresh();
    this.#inboxes.set(queue, deliver);
    const hearing = this.#listen({ queue, shared: false }, (came) =>
      deliver(new RabbitParcel(came, false), came.correlationId ?? ''),
    );
    return {
      at: (path) => `${queue} ${path}`,
      end: () => {
        this.#inboxes.delete(queue);
        hearing.end();
      },
    };
  }

  async flush(): Promise<void> {
    await this.#last;
    // The answer to any question comes after what came back before.
    await this.#client.ask('flush', this.#channel().basicQos({ prefetchCount: 0 }));
    // What came back is told in a turn of its own.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #listen(
    init: Pick<EarInit, 'queue' | 'exchange' | 'shared'>,
    take: (came: RabbitMessage) => void,
    refused?: (error: OctavoError) => void,
  ): Hearing {
    const ear = new Ear({
      client: this.#client,
      ...init,
      deliver: (came) => this.#guarded(() => take(came)),
      onClosed: () => void this.#again(),
    });
    this.#ears.add(ear);
    // While the connection is down, the next one opens it.
    if (this.#client.up)
      this.#queue(async () => {
        try {
          await ear.begin();
        } catch (reason) {
          if (refused === undefined) return;
          this.#ears.delete(ear);
          refused(OctavoError.from(reason));
        }
      });
    return {
      end: () => {
        this.#ears.delete(ear);
        this.#queue(() => ear.end());
      },
    };
  }

  #atMost(ms: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(ms, resolve, { background: true });
      void work.finally(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #queue(work: () => Promise<void>): void {
    this.#last = this.#last.then(work);
  }

  #send(to: string, properties: RabbitProperties, body: Buffer, reply?: string): void {
    const sender = this.#channel();
    if (body.length > this.#mostBytes)
      throw new OctavoError(
        'resource_exhausted',
        `a message of ${body.length} bytes on the wire: the server at ${this.#client.where} takes ${this.#mostBytes} (its max_message_size)`,
      );
    if (this.#unsent > MOST_UNSENT && body.length > SMALL)
      throw new OctavoError(
        'unavailable',
        `${MOST_UNSENT} bytes wait for the RabbitMQ server at ${this.#client.where}, which reads no more`,
        { executed: false },
      );
    const { queue, id } = placeOf(to);
    const own = reply === undefined ? undefined : placeOf(reply);
    // A go-micro server gives back the correlation that it got.
    const correlationId = id ?? own?.id;
    const envelope: RabbitEnvelope = {
      ...properties,
      routingKey: queue,
      mandatory: true,
      ...(correlationId !== undefined && { correlationId }),
      ...(own !== undefined && { replyTo: own.queue }),
      ...(own?.id !== undefined && { messageId: own.id }),
    };
    this.#unsent += body.length;
    const sent = (): void => void (this.#unsent -= body.length);
    // Where the channel has closed, that is told to everybody.
    sender.basicPublish(envelope, body).then(sent, sent);
  }

  #channel(): RabbitChannel {
    this.#client.check();
    if (this.#sender === undefined || !this.#ready)
      throw new OctavoError('unavailable', 'the rabbitmq transport is not connected yet', {
        executed: false,
      });
    return this.#sender;
  }

  /** Opens whatever is not open: what answers come to first. */
  async #open(): Promise<void> {
    if (this.#sender?.active !== true)
      this.#sender = await this.#client.channel(
        'send',
        async (channel) => {
          await channel.exchangeDeclare({ exchange: EXCHANGE, type: 'topic' });
          channel.on('basic.return', (message) => this.#guarded(() => this.#returned(message)));
          channel.on('error', (error: Error) => this.#learn(error));
        },
        () => {
          this.#down(
            new OctavoError(
              'unavailable',
              'the RabbitMQ server closed the channel of the rabbitmq transport',
            ),
          );
          void this.#again();
        },
      );
    const ears = [...this.#ears];
    const own = ears.filter(({ queue }) => this.#inboxes.has(queue));
    for (const ear of own) await ear.begin();
    // Before anybody can ask: who does is answered.
    this.#ready = true;
    for (const ear of ears) await ear.begin();
  }

  /** Opens again what has closed, as often as it takes. While the connection is down it waits to be told. */
  async #again(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    while (this.#running && this.#client.up && !this.#complete())
      try {
        await this.#open();
      } catch (error) {
        this.#parts.logger.warn('cannot listen on RabbitMQ again, and will try', { error });
        await this.#parts.clock.sleep(RETRY_MS);
      }
    this.#opening = false;
  }

  #complete(): boolean {
    return this.#ready && this.#sender?.active === true && [...this.#ears].every(({ open }) => open);
  }

  #down(error: OctavoError): void {
    if (!this.#ready) return;
    this.#ready = false;
    this.#events.down(error);
  }

  #returned(message: RabbitMessage): void {
    const { replyTo = '', messageId = '' } = message;
    this.#inboxes.get(replyTo)?.(new RabbitParcel(message, true), messageId);
  }

  /** The server closes a channel over a message that is too large for it: the next one is refused here. */
  #learn({ message }: Error): void {
    const most = /configured max size (\d+)/.exec(message)?.[1];
    if (most !== undefined) this.#mostBytes = Number(most);
  }

  /** A throw would end the process. */
  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#parts.logger.error('handling a message from RabbitMQ failed', { error });
    }
  }
}
