import { OctavoError } from '../../core/error.js';
import { EMPTY, type Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { writeError } from '../../core/wire-error.js';
import { excess } from '../limits.js';
import { POOL, type DialOptions, type Socket } from '../transport.js';
import type { Bus, Parcel } from './bus.js';
import type { Door } from './door.js';
import { type Box, type Mailbox } from './mailbox.js';
import { PlainSocket } from './plain-socket.js';
import type { Settings } from './settings.js';

/** How long after an answer an address is known to be a go-micro peer's. */
const KNOWN_MS = 10_000;
/** How long an inbox is used again: a Go peer forgets it after a minute, and loses what comes at that moment. */
const INBOX_MS = 30_000;

interface Inbox {
  readonly box: Box;
  /** When it served last. */
  readonly at: number;
}

/** Those who speak go-micro's transport of this bus: the calls and streams with them. */
export class PlainPeers {
  /** What shows whether a go-micro peer listens, and means nothing to it: the end of a stream that it does not know, and of the inbox. */
  readonly question: Message = {
    header: new Metadata({ Connection: 'close', 'Micro-Stream': '0', 'Micro-Error': mucp.EOS }),
    body: EMPTY,
  };
  readonly #bus: Bus;
  readonly #mailbox: Mailbox;
  readonly #settings: Settings;
  readonly #sockets = new Set<PlainSocket>();
  /** Those that others opened, by where answers go. */
  readonly #accepted = new Map<string, PlainSocket>();
  /** Inboxes that serve no call now, by the address they are known at. A Go peer keeps something for each that it has seen. */
  readonly #free = new Map<string, Inbox[]>();
  /** When these addresses answered last. */
  readonly #answered = new Map<string, number>();

  constructor(bus: Bus, mailbox: Mailbox, settings: Settings) {
    this.#bus = bus;
    this.#mailbox = mailbox;
    this.#settings = settings;
  }

  /** Whether a go-micro peer answered there just now. */
  at(address: string): boolean {
    const at = this.#answered.get(address);
    return at !== undefined && this.#settings.clock.now() - at < KNOWN_MS;
  }

  dial(address: string, { stream = false, pool }: DialOptions): Socket {
    const box = (stream ? undefined : this.#reuse(address)) ?? this.#mailbox.open();
    const socket = this.#open(box, {
      local: box.address,
      remote: address,
      stream,
      dialled: true,
      onOver: (answered) => {
        if (!answered) return void this.#answered.delete(address);
        this.#answered.set(address, this.#settings.clock.now());
        if (!stream) this.#keep(address, box, pool?.size);
      },
    });
    return socket;
  }

  /** Takes what came at one of our addresses. */
  take(parcel: Parcel, door: Door): void {
    const { reply } = parcel;
    const there = this.#accepted.get(reply);
    if (there !== undefined) return there.take(parcel);
    if (!this.#bus.isAddress(reply)) return;
    let first: Message;
    try {
      first = parcel.message();
    } catch {
      // Who writes no envelope reads none either.
      return;
    }
    if (first.header.has(mucp.STREAM) && first.header.has(mucp.ERROR)) return;
    const over = excess(first, this.#settings.limits);
    const refusal = over ?? door.take(() => this.#accept(reply, first, door));
    if (refusal !== undefined) this.#refuse(reply, refusal);
  }

  /** What was sent there was dropped. */
  forbidden(address: string, error: OctavoError): void {
    for (const socket of [...this.#sockets]) if (socket.remote === address) socket.finish(error);
  }

  /** Forgets what is too old. */
  tick(): void {
    const now = this.#settings.clock.now();
    for (const [address, at] of this.#answered) if (now - at >= KNOWN_MS) this.#answered.delete(address);
    for (const [address, inboxes] of this.#free) {
      const young = inboxes.filter(({ at }) => now - at < INBOX_MS);
      if (young.length === 0) this.#free.delete(address);
      else this.#free.set(address, young);
    }
  }

  end(error: OctavoError): void {
    for (const socket of [...this.#sockets]) socket.finish(error);
  }

  #accept(reply: string, first: Message, door: Door): PlainSocket {
    const box = this.#mailbox.open();
    const socket = this.#open(box, {
      local: door.address,
      remote: reply,
      stream: first.header.has(mucp.STREAM),
      dialled: false,
      onOver: () => {
        this.#accepted.delete(reply);
        door.left();
      },
    });
    this.#accepted.set(reply, socket);
    socket.arrive(first);
    return socket;
  }

  #open(
    box: Box,
    init: {
      readonly local: string;
      readonly remote: string;
      readonly stream: boolean;
      readonly dialled: boolean;
      readonly onOver: (answered: boolean) => void;
    },
  ): PlainSocket {
    const socket = new PlainSocket({
      ...init,
      bus: this.#bus,
      settings: this.#settings,
      inbox: box.address,
      onOver: (answered) => {
        this.#mailbox.take(box);
        this.#sockets.delete(socket);
        init.onOver(answered);
      },
    });
    this.#mailbox.give(box, socket);
    this.#sockets.add(socket);
    return socket;
  }

  #reuse(address: string): Box | undefined {
    const free = this.#free.get(address)?.pop();
    return free !== undefined && this.#settings.clock.now() - free.at < INBOX_MS ? free.box : undefined;
  }

  #keep(address: string, box: Box, size = POOL.size): void {
    const free = this.#free.get(address) ?? [];
    if (free.length < size) free.push({ box, at: this.#settings.clock.now() });
    this.#free.set(address, free);
  }

  /** Says no, as a go-micro server does. */
  #refuse(reply: string, error: OctavoError): void {
    const text = writeError(error, 'octavo', false);
    const header = new Metadata([
      [mucp.ERROR, text],
      [`X-${mucp.ERROR}`, text],
    ]);
    this.#bus.post(reply, { header, body: EMPTY });
  }
}
