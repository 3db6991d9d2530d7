import { randomUUID } from 'node:crypto';
import type { NatsClient, NatsMessage, NatsSubscription } from '../../core/nats.js';
import { isSubject } from '../../core/nats-subject.js';
import { FRAME, writeFrame } from './frame.js';

/** Who gets what comes under one of the numbers. */
export interface Recipient {
  /** @param opened the socket that it is about, where it answers the first message of one */
  take(message: NatsMessage, opened: number | undefined): void;
  /** Called once in a while. */
  tick(): void;
}

/** A subject of our own. */
export interface Box {
  readonly number: number;
  readonly subject: string;
}

/**
 * The subjects under which all comes that is for us: `<inbox>.<number>`, and `<inbox>.<number>.<socket>` for answers to the first message of a socket.
 *
 * Each connection has an inbox of its own, so that whoever writes to an older one hears from the server that nobody listens.
 */
export class Mailbox {
  readonly #client: NatsClient;
  readonly #inbox = `_INBOX.${randomUUID().replaceAll('-', '')}`;
  readonly #subscription: NatsSubscription;
  readonly #recipients = new Map<number, Recipient>();
  #next = 1;

  constructor(client: NatsClient) {
    this.#client = client;
    this.#subscription = client.subscribe(`${this.#inbox}.>`, (message) => this.#deliver(message));
  }

  open(): Box {
    const number = this.#next++;
    return { number, subject: `${this.#inbox}.${number}` };
  }

  give({ number }: Box, recipient: Recipient): void {
    this.#recipients.set(number, recipient);
  }

  take({ number }: Box): void {
    this.#recipients.delete(number);
  }

  tick(): void {
    for (const recipient of [...this.#recipients.values()]) recipient.tick();
  }

  close(): void {
    this.#subscription.end();
  }

  #deliver(message: NatsMessage): void {
    const [number, opened] = message.subject.slice(this.#inbox.length + 1).split('.');
    const recipient = this.#recipients.get(Number(number));
    if (recipient !== undefined)
      return recipient.take(message, opened === undefined ? undefined : Number(opened));
    // Whoever thinks that there is a link here learns that there is none.
    if (message.refused || !isSubject(message.reply) || message.data[0] === FRAME.gone) return;
    this.#client.publish(message.reply, writeFrame(FRAME.gone, 0));
  }
}

/** The subject at which an Octavo peer is asked for that listens at an address. Nobody is there for a go-micro peer. */
export function octavoAt(address: string): string {
  return `${address}.octavo`;
}
