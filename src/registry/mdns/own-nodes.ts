import { isLoopback, parseAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import {
  announcePacket,
  answerPacket,
  fitting,
  listPacket,
  nodeRecords,
  response,
  type Announcement,
  type Names,
} from './packets.js';

/** When a node is announced, in milliseconds after it was registered: packets get lost. */
const ANNOUNCED_AFTER = [1_000, 3_000];
/** When a node of which somebody else said that it goes says that it is there, in milliseconds. */
const GAINSAID_AFTER = 250;

export interface OwnNodesParts {
  readonly names: Names;
  readonly host: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tells everybody, or this machine alone where it is not for those `outside`. */
  readonly multicast: (bytes: Buffer, outside: boolean) => void;
  /** Called for each node that comes, changes or goes. */
  readonly onChange: (announcement: Announcement, goodbye: boolean) => void;
}

interface Own {
  readonly announcement: Announcement;
  readonly text: string;
  /** What is sent to who asks for the service: packing it anew for each question costs more than sending it. */
  readonly answer: Buffer;
  /** Whether others than this machine may know of it: its address is not loopback. */
  readonly outside: boolean;
  timers: Timer[];
  gainsaying: Timer | undefined;
  expiry: Timer | undefined;
}

/** The nodes that are registered here: they are announced, told of to who asks, and said goodbye for. */
export class OwnNodes {
  readonly #parts: OwnNodesParts;
  /** By service and node. */
  readonly #own = new Map<string, Own>();

  constructor(parts: OwnNodesParts) {
    this.#parts = parts;
  }

  /** Registers or renews them; none where one of them cannot be announced. */
  put(announcements: readonly Announcement[], ttlMs: number | undefined): void {
    for (const made of announcements.map((each) => this.#make(each))) {
      const { service, node } = made.announcement;
      const key = keyOf(service.name, node.id);
      const known = this.#own.get(key);
      const own = known?.text === made.text ? known : made;
      if (own !== known) {
        if (known !== undefined) silence(known);
        this.#own.set(key, own);
        this.#announce(own);
      }
      own.expiry?.cancel();
      own.expiry =
        ttlMs === undefined
          ? undefined
          : this.#parts.clock.after(ttlMs, () => this.remove(service.name, node.id), { background: true });
    }
  }

  remove(service: string, id: string): void {
    const own = this.#own.get(keyOf(service, id));
    if (own === undefined) return;
    this.#own.delete(keyOf(service, id));
    silence(own);
    const { names, host, multicast, onChange } = this.#parts;
    multicast(announcePacket(own.announcement, names, host, true), own.outside);
    onChange(own.announcement, true);
  }

  removeAll(): void {
    for (const { service, node } of this.all()) this.remove(service.name, node.id);
  }

  has(service: string, id: string): boolean {
    return this.#own.has(keyOf(service, id));
  }

  all(): readonly Announcement[] {
    return [...this.#own.values()].map(({ announcement }) => announcement);
  }

  /** Somebody said goodbye for a node that is here, as one did that had its id before. */
  gainsay({ service, node }: Announcement): void {
    const own = this.#own.get(keyOf(service.name, node.id));
    if (own === undefined || own.gainsaying !== undefined) return;
    own.gainsaying = this.#parts.clock.after(
      GAINSAID_AFTER,
      () => {
        own.gainsaying = undefined;
        this.#tell(own);
      },
      { background: true },
    );
  }

  /** The answers to one question, as go-micro gives them: a packet for each node. `here` says whether this machine asks. */
  *answers(name: string, type: string, here: boolean): Iterable<Buffer> {
    const { names, host } = this.#parts;
    const told = [...this.#own.values()].filter(({ outside }) => outside || here);
    const services = new Set(told.map(({ announcement }) => announcement.service.name));
    if (type === 'PTR' && name === names.list)
      for (const service of services) yield listPacket(service, names, host);
    if (type === 'PTR' && name === names.dnsSd)
      for (const service of services)
        yield response([{ name, type: 'PTR', ttl: 120, data: names.service(service) }], { name, type });
    for (const { announcement: each, answer } of told) {
      if (type === 'PTR' && name === names.service(each.service.name)) yield answer;
      if (type === 'ANY' && name === names.service(each.service.name))
        yield answerPacket(name, type, each, names, host);
      if ((type === 'SRV' || type === 'TXT' || type === 'ANY') && name === names.node(each))
        yield response(nodeRecords(names, each, host), { name, type });
    }
  }

  #make(whole: Announcement): Own {
    const { names, host, logger } = this.#parts;
    const text = JSON.stringify(whole);
    const known = this.#own.get(keyOf(whole.service.name, whole.node.id));
    if (known?.text === text) return known;
    names.check(whole);
    const { announcement, cut } = fitting(whole, names, host);
    if (cut)
      logger.warn('the schemas of endpoints do not fit an mdns packet and are left out', {
        node: whole.node.id,
      });
    return {
      announcement,
      text,
      answer: answerPacket(names.service(announcement.service.name), 'PTR', announcement, names, host),
      outside: !isLoopback(parseAddress(whole.node.address).host),
      timers: [],
      gainsaying: undefined,
      expiry: undefined,
    };
  }

  #announce(own: Own): void {
    const { clock, onChange } = this.#parts;
    this.#tell(own);
    own.timers = ANNOUNCED_AFTER.map((ms) => clock.after(ms, () => this.#tell(own), { background: true }));
    onChange(own.announcement, false);
  }

  #tell({ announcement, outside }: Own): void {
    const { names, host, multicast } = this.#parts;
    multicast(announcePacket(announcement, names, host, false), outside);
  }
}

function silence({ timers, gainsaying, expiry }: Own): void {
  for (const timer of timers) timer.cancel();
  gainsaying?.cancel();
  expiry?.cancel();
}

function keyOf(service: string, id: string): string {
  return JSON.stringify([service, id]);
}
