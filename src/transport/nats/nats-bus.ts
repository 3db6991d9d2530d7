import { randomUUID } from 'node:crypto';
import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { NatsClient, type NatsMessage, type NatsOptions, type NatsParts } from '../../core/nats.js';
import { isSubject } from '../../core/nats-subject.js';
import type { Bus, BusEvents, BusInbox, HearOptions, Hearing, Parcel } from '../bus/bus.js';
import { readEnvelope, writeEnvelope } from './envelope.js';

/** The queue group of those who share an address. */
const GROUP = 'octavo';

/** A NATS server as a bus. Addresses are subjects. */
export class NatsBus implements Bus {
  readonly name = 'nats';
  readonly #client: NatsClient;

  constructor(options: NatsOptions, parts: NatsParts, events: BusEvents) {
    this.#client = new NatsClient('the nats transport', options, parts, events);
  }

  get up(): boolean {
    return this.#client.up;
  }

  start(): Promise<void> {
    return this.#client.start();
  }

  stop(): Promise<void> {
    return this.#client.stop();
  }

  isAddress(text: string): boolean {
    return isSubject(text);
  }

  checkAddress(text: string): void {
    if (!isSubject(text))
      throw new OctavoError(
        'invalid_argument',
        `"${text}" is no NATS subject: it has no spaces, no * and no >, and no empty part between dots`,
      );
  }

  fresh(): string {
    return `_INBOX.${randomUUID().replaceAll('-', '')}`;
  }

  publish(to: string, frame: Uint8Array, reply?: string): void {
    this.#client.publish(to, frame, reply);
  }

  post(to: string, message: Message, reply?: string): number {
    const bytes = writeEnvelope(message);
    this.#client.publish(to, bytes, reply);
    return bytes.length;
  }

  hear(address: string, deliver: (parcel: Parcel) => void, { shared, refused }: HearOptions): Hearing {
    return this.#client.subscribe(address, (message) => deliver(new NatsParcel(message)), {
      refused,
      ...(shared && { queue: GROUP }),
    });
  }

  inbox(deliver: (parcel: Parcel, path: string) => void): BusInbox {
    const inbox = this.fresh();
    const subscription = this.#client.subscribe(`${inbox}.>`, (message) =>
      deliver(new NatsParcel(message), message.subject.slice(inbox.length + 1)),
    );
    return { at: (path) => `${inbox}.${path}`, end: () => subscription.end() };
  }

  flush(): Promise<void> {
    return this.#client.flush();
  }
}

class NatsParcel implements Parcel {
  readonly reply: string;
  readonly data: Uint8Array;
  readonly refused: boolean;

  constructor({ reply, data, refused }: NatsMessage) {
    this.reply = reply;
    this.data = data;
    this.refused = refused;
  }

  message(): Message {
    return readEnvelope(this.data);
  }
}
