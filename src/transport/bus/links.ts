import { OctavoError } from '../../core/error.js';
import { quietly } from '../../core/quietly.js';
import type { DialOptions } from '../transport.js';
import type { Bus, Parcel } from './bus.js';
import type { Door } from './door.js';
import { FRAME } from './frame.js';
import { Link } from './link.js';
import { octavoAt, type Mailbox } from './mailbox.js';
import type { Settings } from './settings.js';

/** How many links others may have with us. */
const MOST_LINKS = 10_000;
/** How many links there are with an address that several servers share. */
const MOST_SHARED = 8;

/** The links with Octavo peers: one for each address that was dialled, and those that others dialled. */
export class Links {
  readonly #bus: Bus;
  readonly #mailbox: Mailbox;
  readonly #settings: Settings;
  readonly #all = new Set<Link>();
  /** Those that were dialled to each address: one, or where it is shared by several servers some, which take turns. */
  readonly #dialled = new Map<string, Link[]>();
  /** By where their frames go, as one who waits long asks again. */
  readonly #accepted = new Map<string, Link>();

  constructor(bus: Bus, mailbox: Mailbox, settings: Settings) {
    this.#bus = bus;
    this.#mailbox = mailbox;
    this.#settings = settings;
  }

  /** The link with an address, where there is one. */
  to(address: string): Link | undefined {
    const links = this.#dialled.get(address) ?? [];
    const at = links.findIndex(({ open }) => open);
    const link = links[at];
    if (link?.shared !== true) return link;
    links.push(...links.splice(at, 1));
    if (links.length < MOST_SHARED && !links.some(({ asking }) => asking))
      quietly(() => void this.#ask(address));
    return link;
  }

  /** A new link with an address; `nobody` where no Octavo peer is there. All who ask at once share the answer. */
  meet(address: string, { timeoutMs = 5_000, cancellation }: DialOptions): Promise<Link | 'nobody'> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: Link | 'nobody' | OctavoError): void => {
        timer.cancel();
        forget?.();
        leave();
        if (outcome instanceof OctavoError) reject(outcome);
        else resolve(outcome);
      };
      const leave = this.#asking(address).onMet(settle);
      const timer = this.#settings.clock.after(timeoutMs, () =>
        settle(
          new OctavoError('deadline_exceeded', `${address} did not answer within ${timeoutMs} ms`, {
            executed: false,
          }),
        ),
      );
      const forget = cancellation?.onCancel(settle);
    });
  }

  /** Somebody asks for a link with one of our addresses. */
  greet({ reply, data }: Parcel, door: Door): void {
    if (data[0] !== FRAME.hello || !this.#bus.isAddress(reply)) return;
    if (this.#accepted.has(reply) || this.#accepted.size >= MOST_LINKS) return;
    const link = this.#make(reply, door, () => void this.#accepted.delete(reply));
    this.#accepted.set(reply, link);
    link.welcome(reply);
  }

  /** We may not ask at this address: whoever is there is taken for a go-micro peer. */
  forbidden(address: string): void {
    for (const link of [...this.#all]) if (link.asking && octavoAt(link.remote) === address) link.end();
  }

  /** Takes in nothing more at an address. */
  close(door: Door): void {
    for (const link of [...this.#accepted.values()]) if (link.door === door) link.close();
  }

  /** Ends all, and tells the other ends. */
  leave(error: OctavoError): void {
    for (const link of [...this.#all]) link.leave(error);
  }

  /** Ends all here. */
  end(error: OctavoError): void {
    for (const link of [...this.#all]) link.end(error);
  }

  #asking(address: string): Link {
    return this.#dialled.get(address)?.find(({ asking }) => asking) ?? this.#ask(address);
  }

  #ask(address: string): Link {
    const links = this.#dialled.get(address) ?? [];
    const link = this.#make(address, undefined, () => {
      links.splice(links.indexOf(link), 1);
      if (links.length === 0) this.#dialled.delete(address);
    });
    links.push(link);
    this.#dialled.set(address, links);
    link.meet();
    return link;
  }

  #make(remote: string, door: Door | undefined, onGone: () => void): Link {
    const box = this.#mailbox.open();
    const link: Link = new Link({
      bus: this.#bus,
      settings: this.#settings,
      address: box.address,
      remote,
      ...(door !== undefined && { door }),
      onGone: () => {
        this.#mailbox.take(box);
        this.#all.delete(link);
        onGone();
      },
    });
    this.#mailbox.give(box, link);
    this.#all.add(link);
    return link;
  }
}
