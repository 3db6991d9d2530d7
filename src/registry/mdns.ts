import { randomInt } from 'node:crypto';
import type { RemoteInfo } from 'node:dgram';
import { hostname, networkInterfaces } from 'node:os';
import type { DecodedPacket } from 'dns-packet';
import { isLoopback, isUnspecified, parseAddress } from '../core/address.js';
import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Inbox } from '../core/inbox.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import {
  announcePacket,
  answerPacket,
  fitting,
  heardIn,
  listedIn,
  listPacket,
  Names,
  nodeRecords,
  questionPacket,
  readPacket,
  response,
  type Announcement,
  type Heard,
} from './mdns/packets.js';
import { MulticastSockets } from './mdns/sockets.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';

export interface MdnsOptions extends RegistryOptions {
  /** What every name ends with; services of other domains are not seen. @defaultValue `'micro'`, go-micro's */
  readonly domain?: string;
  /** Addresses of the interfaces to use: `['127.0.0.1']` keeps it on this machine. @defaultValue loopback and every other IPv4 interface */
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

/** How many nodes of others are remembered, and changes wait for a watcher. */
const MOST = 10_000;
/** For how long an answer may be late, in milliseconds. */
const LATE_MS = 1_000;
/** How many answers leave in one turn of the event loop. */
const AT_ONCE = 32;
/** How many questions of one packet are answered. */
const MOST_QUESTIONS = 16;
/** When a node is announced, in milliseconds after it was registered. */
const ANNOUNCED_AFTER = [1_000, 3_000];

interface Own {
  readonly announcement: Announcement;
  readonly text: string;
  /** What is sent to who asks for the service: packing it anew for each question costs more than sending it. */
  readonly answer: Buffer;
  /** Whether others than this machine may know of it: its address is not loopback. */
  readonly outside: boolean;
  readonly timers: Timer[];
  expiry: Timer | undefined;
}

interface Question {
  readonly heard: Map<string, Heard>;
  readonly listed: Set<string>;
  readonly answered: Promise<void>;
}

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
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #names: Names;
  readonly #host: string;
  readonly #own = new Map<string, Own>();
  readonly #questions = new Map<string, Question>();
  /** What was heard of every node last, as text to compare. */
  readonly #known = new Map<string, string>();
  /** When a node said goodbye. */
  readonly #gone = new Map<string, number>();
  readonly #watches = new Map<Inbox<RegistryEvent>, string | undefined>();
  #sockets: MulticastSockets | undefined;

  constructor(options: MdnsOptions, { clock, logger }: MdnsParts) {
    super();
    this.options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#names = new Names(options.domain ?? 'micro');
    // A host name with dots, or too long for a label, is as good cut.
    this.#host = hostname().split('.')[0]?.slice(0, 63) || 'localhost';
  }

  async start(): Promise<void> {
    this.#sockets ??= await MulticastSockets.open({
      interfaces: this.options.interfaces,
      port: this.options.port ?? 5_353,
      logger: this.#logger,
      onPacket: (bytes, from) => this.#take(bytes, from),
    });
  }

  /** Says goodbye for what is still registered: nobody would answer for it. */
  async stop(): Promise<void> {
    for (const id of [...this.#own.keys()]) this.#remove(id);
    for (const inbox of this.#watches.keys()) inbox.end();
    this.#watches.clear();
    this.#known.clear();
    this.#gone.clear();
    const sockets = this.#sockets;
    this.#sockets = undefined;
    await sockets?.close();
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    this.#started();
    for (const node of service.nodes) {
      const whole = structuredClone({ service: { ...service, nodes: [] }, node });
      this.#names.check(whole);
      this.#put(whole, ttlMs);
    }
  }

  async deregister(service: ServiceRecord): Promise<void> {
    for (const { id } of service.nodes)
      if (this.#own.get(id)?.announcement.service.name === service.name) this.#remove(id);
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    const { heard } = await this.#ask(this.#names.service(name));
    const versions = new Map<string, Announcement[]>();
    for (const each of heard.values())
      if (each.service.name === name)
        versions.set(each.service.version, [...(versions.get(each.service.version) ?? []), each]);
    return [...versions.values()].map((found) => {
      // A version is listed because there is a node of it.
      const { service } = found[0] as Announcement;
      return freeze({ ...service, nodes: found.map(({ node }) => node) });
    });
  }

  async listServices(): Promise<readonly string[]> {
    const { listed } = await this.#ask(this.#names.list);
    return [...listed].sort();
  }

  watch({ service, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    const inbox = new Inbox<RegistryEvent>(MOST, undefined, () => this.#watches.delete(inbox));
    this.#watches.set(inbox, service);
    const end = (): void => {
      this.#watches.delete(inbox);
      inbox.end();
    };
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
    return inbox;
  }

  #started(): MulticastSockets {
    if (this.#sockets !== undefined) return this.#sockets;
    throw new OctavoError('failed_precondition', 'the mdns registry is not started: call start() first');
  }

  #put(whole: Announcement, ttlMs: number | undefined): void {
    const { id } = whole.node;
    const text = JSON.stringify(whole);
    const known = this.#own.get(id);
    let own = known;
    if (known === undefined || known.text !== text) {
      const { announcement, cut } = fitting(whole, this.#names, this.#host);
      if (cut)
        this.#logger.warn('the schemas of endpoints do not fit an mdns packet and are left out', {
          node: id,
        });
      for (const timer of known?.timers ?? []) timer.cancel();
      known?.expiry?.cancel();
      const outside = !isLoopback(parseAddress(whole.node.address).host);
      const question = this.#names.service(announcement.service.name);
      const answer = answerPacket(question, 'PTR', announcement, this.#names, this.#host);
      own = { announcement, text, answer, outside, timers: [], expiry: undefined };
      this.#own.set(id, own);
      this.#announce(own);
    }
    own?.expiry?.cancel();
    if (own !== undefined && ttlMs !== undefined)
      own.expiry = this.#clock.after(ttlMs, () => this.#remove(id), { background: true });
  }

  /** Tells it three times, as packets get lost. */
  #announce(own: Own): void {
    const tell = (): void =>
      this.#multicast(own, announcePacket(own.announcement, this.#names, this.#host, false));
    tell();
    for (const ms of ANNOUNCED_AFTER) own.timers.push(this.#clock.after(ms, tell, { background: true }));
  }

  #remove(id: string): void {
    const own = this.#own.get(id);
    if (own === undefined) return;
    this.#own.delete(id);
    own.expiry?.cancel();
    for (const timer of own.timers) timer.cancel();
    this.#multicast(own, announcePacket(own.announcement, this.#names, this.#host, true));
    // Whoever watches here learns of it even when the sockets close before the packet comes round.
    this.#hear({ ...own.announcement, goodbye: true });
  }

  #multicast({ outside }: Own, bytes: Buffer): void {
    this.#sockets?.multicast(bytes, (address) => outside || isLoopback(address));
  }

  /** Asks, and waits as long as answers may take. Who asks the same meanwhile gets the same answer. */
  async #ask(name: string): Promise<Question> {
    const sockets = this.#started();
    const asked = this.#questions.get(name);
    if (asked !== undefined) {
      await asked.answered;
      return asked;
    }
    const answered = new Promise<void>((resolve) => {
      this.#clock.after(this.options.timeoutMs ?? 100, () => {
        this.#questions.delete(name);
        resolve();
      });
    });
    const question: Question = { heard: new Map(), listed: new Set(), answered };
    this.#questions.set(name, question);
    sockets.multicast(questionPacket(name, randomInt(1, 65_536)));
    await answered;
    return question;
  }

  #take(bytes: Buffer, from: RemoteInfo): void {
    // Nothing can be sent to port 0, though packets can say that they come from there.
    const packet = from.port === 0 ? undefined : readPacket(bytes);
    if (packet === undefined) return;
    if (packet.type === 'response') this.#listen(packet);
    else this.#answer(packet, from);
  }

  #listen(packet: DecodedPacket): void {
    for (const heard of heardIn(packet, this.#names)) {
      const question = this.#questions.get(this.#names.service(heard.service.name));
      if (question !== undefined && question.heard.size < MOST) {
        if (heard.goodbye) question.heard.delete(heard.node.id);
        else question.heard.set(heard.node.id, heard);
      }
      this.#hear(heard, packet.questions?.length !== 0);
    }
    const list = this.#questions.get(this.#names.list);
    if (list === undefined) return;
    for (const name of listedIn(packet, this.#names)) if (list.listed.size < MOST) list.listed.add(name);
  }

  /** Compares with what was known of the node, and tells who watches what changed. */
  #hear({ service, node, goodbye }: Heard, answered = false): void {
    const key = this.#names.node({ service, node });
    // An answer may have been under way when the node said goodbye; only an announcement says that it is back.
    if (goodbye) this.#gone.set(key, this.#clock.now());
    else if (answered && this.#clock.now() - (this.#gone.get(key) ?? -Infinity) < LATE_MS) return;
    else this.#gone.delete(key);
    const [oldest] = this.#gone.keys();
    if (this.#gone.size > MOST && oldest !== undefined) this.#gone.delete(oldest);
    const text = JSON.stringify([service, node]);
    const known = this.#known.get(key);
    if (goodbye ? known === undefined : known === text) return;
    if (goodbye) this.#known.delete(key);
    else this.#remember(key, text);
    const action = goodbye ? 'delete' : known === undefined ? 'create' : 'update';
    const event = freeze({ action, service: { ...service, nodes: [node] } } as const);
    for (const [inbox, wanted] of this.#watches) {
      if ((wanted !== undefined && wanted !== service.name) || inbox.push(event)) continue;
      this.#watches.delete(inbox);
      inbox.end(
        new OctavoError('resource_exhausted', `a watch of the mdns registry is ${MOST} changes behind`),
      );
    }
  }

  #remember(key: string, text: string): void {
    this.#known.set(key, text);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Answers as go-micro does: to the one who asked, a packet for each node. */
  #answer(packet: DecodedPacket, from: RemoteInfo): void {
    const here = isHere(from.address);
    const answers = (packet.questions ?? [])
      .slice(0, MOST_QUESTIONS)
      .flatMap(({ name, type }) => [...this.#answers(name, type, here)]);
    this.#send(answers, from);
  }

  /** Sends so many in a turn of the event loop: more at once than a socket's buffer holds would be lost. */
  #send(packets: readonly Buffer[], to: RemoteInfo): void {
    for (const bytes of packets.slice(0, AT_ONCE)) this.#sockets?.unicast(bytes, to);
    if (packets.length > AT_ONCE) setImmediate(() => this.#send(packets.slice(AT_ONCE), to));
  }

  *#answers(name: string, type: string, here: boolean): Iterable<Buffer> {
    const told = [...this.#own.values()].filter(({ outside }) => outside || here);
    const services = new Set(told.map(({ announcement }) => announcement.service.name));
    const names = this.#names;
    if (type === 'PTR' && name === names.list)
      for (const service of services) yield listPacket(service, names, this.#host);
    if (type === 'PTR' && name === names.dnsSd)
      for (const service of services)
        yield response([{ name, type: 'PTR', ttl: 120, data: names.service(service) }], { name, type });
    for (const { announcement: each, answer } of told) {
      if (type === 'PTR' && name === names.service(each.service.name)) yield answer;
      if (type === 'ANY' && name === names.service(each.service.name))
        yield answerPacket(name, type, each, names, this.#host);
      if ((type === 'SRV' || type === 'TXT' || type === 'ANY') && name === names.node(each))
        yield response(nodeRecords(names, each, this.#host), { name, type });
    }
  }
}

/** Finds services by multicast DNS. */
export function mdns(options: MdnsOptions = {}): Provider<Registry> {
  return (resolve) => new MdnsRegistry(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

/** Whether an address is one of this machine's. No address is: so come questions where loopback is all there is. */
function isHere(address: string): boolean {
  if (isLoopback(address) || isUnspecified(address)) return true;
  return Object.values(networkInterfaces()).some((each) => each?.some((one) => one.address === address));
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
