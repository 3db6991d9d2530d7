import { randomInt } from 'node:crypto';
import type { RemoteInfo } from 'node:dgram';
import { hostname } from 'node:os';
import type { DecodedPacket } from 'dns-packet';
import { isLoopback } from '../core/address.js';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { Neighbours } from './mdns/neighbours.js';
import { Outbox } from './mdns/outbox.js';
import { OwnNodes } from './mdns/own-nodes.js';
import {
  heard,
  heardIn,
  listedIn,
  Names,
  questionPacket,
  readPacket,
  type Announcement,
} from './mdns/packets.js';
import { Questions, type Question } from './mdns/questions.js';
import { SeenNodes } from './mdns/seen-nodes.js';
import { MulticastSockets } from './mdns/sockets.js';
import { versionsOf } from './node-record.js';
import { checkRecord, frozen } from './record.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';
import { Watches } from './watches.js';

export interface MdnsOptions extends RegistryOptions {
  /** What every name ends with; services of other domains are not seen. @defaultValue `'micro'`, go-micro's */
  readonly domain?: string;
  /** Addresses of the interfaces to use: `['127.0.0.1']` keeps it on this machine. @defaultValue loopback and every other interface, by IPv4 and IPv6 */
  readonly interfaces?: readonly string[];
  /** @defaultValue `5353` */
  readonly port?: number;
  /** For how long answers to a question are waited for, in milliseconds. @defaultValue `100`, go-micro's */
  readonly timeoutMs?: number;
}

export interface MdnsParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How many changes wait for a watcher that does not read. */
const WATCH_ROOM = 2_000;
/** How many questions of one packet are answered. */
const MOST_QUESTIONS = 16;

/**
 * Finds services by multicast DNS, without any server, with go-micro's records.
 *
 * A node whose address is loopback is announced on loopback and told to this machine alone. Service metadata does not travel: go-micro's
 * records have no place for it. `docs/decisions/mdns.md` says why the records are written here.
 */
export class MdnsRegistry extends Registry {
  readonly name = 'mdns';
  readonly local = true;
  readonly options: MdnsOptions;
  readonly #logger: Logger;
  readonly #names: Names;
  readonly #neighbours: Neighbours;
  readonly #own: OwnNodes;
  readonly #seen: SeenNodes;
  readonly #questions: Questions;
  readonly #watches = new Watches('mdns', WATCH_ROOM);
  readonly #outbox: Outbox;
  #sockets: MulticastSockets | undefined;
  /** Starts and stops, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: MdnsOptions, { clock, logger }: MdnsParts) {
    super();
    this.options = options;
    this.#logger = logger;
    this.#names = new Names(options.domain ?? 'micro');
    this.#neighbours = new Neighbours(options.interfaces, clock);
    this.#questions = new Questions(clock, options.timeoutMs ?? 100);
    this.#seen = new SeenNodes(clock, (event) => this.#watches.tell(event));
    this.#outbox = new Outbox(clock, (bytes, to) => this.#sockets?.unicast(bytes, to));
    this.#own = new OwnNodes({
      names: this.#names,
      // A host name with dots, or too long for a label, is as good cut.
      host: hostname().split('.')[0]?.slice(0, 63) || 'localhost',
      clock,
      logger,
      multicast: (bytes, outside) =>
        this.#sockets?.multicast(bytes, (address) => outside || isLoopback(address)),
      onChange: (announcement, goodbye) => this.#seen.hear(heard(announcement, goodbye), false),
    });
  }

  start(): Promise<void> {
    return this.#inTurn(async () => {
      this.#sockets ??= await MulticastSockets.open({
        interfaces: this.options.interfaces,
        port: this.options.port ?? 5_353,
        logger: this.#logger,
        onPacket: (bytes, from) => this.#take(bytes, from),
      });
    });
  }

  /** Says goodbye for what is still registered: nobody would answer for it. */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      this.#own.removeAll();
      this.#watches.end();
      this.#seen.clear();
      this.#outbox.clear();
      const sockets = this.#sockets;
      this.#sockets = undefined;
      await sockets?.close();
    });
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    this.#started();
    checkRecord(service);
    const { nodes, ...facts } = frozen(service);
    this.#own.put(
      nodes.map((node) => ({ service: { ...facts, nodes: [] }, node })),
      ttlMs,
    );
  }

  async deregister({ name, nodes }: ServiceRecord): Promise<void> {
    for (const { id } of nodes) this.#own.remove(name, id);
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    const question = await this.#ask(this.#names.service(name));
    this.#seen.missed(name, question.askedAt, (id) => this.#own.has(name, id));
    const own = this.#own.all().filter(({ service }) => service.name === name);
    const others = [...question.heard.values()].filter(({ node }) => !this.#own.has(name, node.id));
    const all: Announcement[] = [...own, ...others];
    // Whose word counts for what a version has is not left to who answers first.
    all.sort((a, b) => (a.node.id < b.node.id ? -1 : 1));
    return versionsOf(all);
  }

  async listServices(): Promise<readonly string[]> {
    const { listed } = await this.#ask(this.#names.list);
    const own = this.#own.all().map(({ service }) => service.name);
    return [...new Set([...listed, ...own])].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#watches.begin(options);
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #started(): MulticastSockets {
    if (this.#sockets !== undefined) return this.#sockets;
    throw new OctavoError('failed_precondition', 'the mdns registry is not started: call start() first');
  }

  #ask(name: string): Promise<Question> {
    const sockets = this.#started();
    return this.#questions.ask(name, () => sockets.multicast(questionPacket(name, randomInt(1, 65_536))));
  }

  /** Whatever comes in, it is not worth more than a line in the log. */
  #take(bytes: Buffer, from: RemoteInfo): void {
    try {
      this.#read(bytes, from);
    } catch (error) {
      this.#logger.debug('an mdns packet could not be read', { from: from.address, error });
    }
  }

  #read(bytes: Buffer, from: RemoteInfo): void {
    // Nothing can be sent to port 0, though packets can say that they come from there.
    if (from.port === 0 || !this.#neighbours.isNear(from.address)) return;
    // What is registered here is known without being told.
    const here = this.#neighbours.isHere(from.address);
    if (here && this.#sockets?.sent(from)) return;
    const packet = readPacket(bytes);
    if (packet?.type === 'response') this.#listen(packet);
    else if (packet !== undefined) this.#answer(packet, from, here);
  }

  #listen(packet: DecodedPacket): void {
    const answer = packet.questions?.length !== 0;
    for (const each of heardIn(packet, this.#names)) {
      if (this.#own.has(each.service.name, each.node.id)) {
        if (each.goodbye) this.#own.gainsay(each);
        continue;
      }
      if (this.#seen.hear(each, answer)) this.#questions.heard(this.#names.service(each.service.name), each);
    }
    this.#questions.listed(this.#names.list, listedIn(packet, this.#names));
  }

  /** Answers as go-micro does: to the one who asked. */
  #answer(packet: DecodedPacket, from: RemoteInfo, here: boolean): void {
    for (const { name, type } of (packet.questions ?? []).slice(0, MOST_QUESTIONS)) {
      if (this.#outbox.full) return;
      for (const bytes of this.#own.answers(name, type, here)) this.#outbox.put(bytes, from);
    }
  }
}

/** Finds services by multicast DNS. */
export function mdns(options: MdnsOptions = {}): Provider<Registry> {
  return (resolve) => new MdnsRegistry(options, { clock: resolve(Clock), logger: resolve(Logger) });
}
