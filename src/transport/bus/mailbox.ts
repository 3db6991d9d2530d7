import type { Bus, BusInbox, Parcel } from './bus.js';
import { FRAME, writeFrame } from './frame.js';

/** Who gets what comes under one of the numbers. */
export interface Recipient {
  /** @param opened the socket that it is about, where it answers the first message of one */
  take(parcel: Parcel, opened: number | undefined): void;
  /** Called once in a while. */
  tick(): void;
}

/** An address of our own. */
export interface Box {
  readonly number: number;
  readonly address: string;
}

/**
 * The addresses under which all comes that is for us: `<inbox>.<number>`, and `<inbox>.<number>.<socket>` for answers to the first message of a socket.
 *
 * Each connection has an inbox of its own, so that whoever writes to an older one hears from the server that nobody listens.
 */
export class Mailbox {
  readonly #bus: Bus;
  readonly #inbox: BusInbox;
  readonly #recipients = new Map<number, Recipient>();
  #next = 1;

  constructor(bus: Bus) {
    this.#bus = bus;
    this.#inbox = bus.inbox((parcel, path) => this.#deliver(parcel, path));
  }

  open(): Box {
    const number = this.#next++;
    return { number, address: this.#inbox.at(String(number)) };
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
    this.#inbox.end();
  }

  #deliver(parcel: Parcel, path: string): void {
    const [number, opened] = path.split('.');
    const recipient = this.#recipients.get(Number(number));
    if (recipient !== undefined)
      return recipient.take(parcel, opened === undefined ? undefined : Number(opened));
    // Whoever thinks that there is a link here learns that there is none.
    if (parcel.refused || !this.#bus.isAddress(parcel.reply) || parcel.data[0] === FRAME.gone) return;
    this.#bus.publish(parcel.reply, writeFrame(FRAME.gone, 0));
  }
}

/** The address at which an Octavo peer is asked for that listens at another. Nobody is there for a go-micro peer. */
export function octavoAt(address: string): string {
  return `${address}.octavo`;
}
