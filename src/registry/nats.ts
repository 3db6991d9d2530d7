import { isLoopback, parseAddress } from '../core/address.js';
import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import { NatsClient, type NatsOptions, type NatsParts, type NatsSubscription } from '../core/nats.js';
import { NatsConnections, serversOf } from '../core/nats-connection.js';
import { checkTopic } from '../core/nats-subject.js';
import type { Provider } from '../core/provider.js';
import { FollowedNodes } from './followed-nodes.js';
import { Following } from './nats/following.js';
import { keyOf, readChange, recordOf, type Change } from './nats/packets.js';
import { Presence } from './nats/presence.js';
import { Questions } from './nats/questions.js';
import { nodesOf, versionsOf } from './node-record.js';
import type { NodeView } from './node-view.js';
import { checkRecord, frozen } from './record.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';

export interface NatsRegistryOptions extends RegistryOptions, NatsOptions {
  /** For how long answers to a question are waited for, in milliseconds; twice as long at most while they still come. @defaultValue `100`, go-micro's */
  readonly timeoutMs?: number;
  /** After how many nodes no more answers are waited for. @defaultValue all are */
  readonly quorum?: number;
  /** Where questions go. @defaultValue `'micro.registry.nats.query'`, that of go-micro's plugins; since go-micro v5.7 it is `'micro.nats.query'` */
  readonly queryTopic?: string;
  /** Where everybody tells of changes. @defaultValue `'micro.registry.nats.watch'`, that of go-micro's plugins; since go-micro v5.7 it is `'micro.nats.watch'` */
  readonly watchTopic?: string;
}

/** How often nodes are looked for that have fallen silent, in milliseconds. */
const LOOK_MS = 500;
/** How many services are asked for one by one; for more, all are. */
const MOST_NAMES = 16;

/**
 * Finds services over a NATS server, in the form of go-micro's nats registry. Needs `npm install @nats-io/transport-node`.
 *
 * The server keeps nothing: each registry answers for what was registered with it, so that a node lives no longer than its process.
 */
export class NatsRegistry extends Registry {
  readonly name = 'nats';
  readonly local: boolean;
  /** What it was given, without what is secret. */
  readonly options: Omit<NatsRegistryOptions, 'user' | 'pass' | 'token' | 'tls'>;
  readonly #parts: NatsParts;
  readonly #client: NatsClient;
  readonly #presence: Presence;
  readonly #followed: FollowedNodes;
  readonly #following = new Set<Following>();
  readonly #queryTopic: string;
  readonly #watchTopic: string;
  #questions: Questions | undefined;
  #listening: NatsSubscription | undefined;
  #looking: Timer | undefined;
  /** Starts and stops, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: NatsRegistryOptions, parts: NatsParts) {
    super();
    const { user: _user, pass: _pass, token: _token, tls: _tls, addresses: _addresses, ...shown } = options;
    const { timeoutMs = 100, queryTopic, watchTopic } = options;
    this.options = { ...shown, timeoutMs };
    this.#parts = parts;
    this.#queryTopic = queryTopic ?? 'micro.registry.nats.query';
    this.#watchTopic = watchTopic ?? 'micro.registry.nats.watch';
    for (const topic of [this.#queryTopic, this.#watchTopic]) checkTopic(topic);
    this.local = serversOf(options).every(({ server }) => isLoopback(parseAddress(server).host));
    this.#client = new NatsClient('the nats registry', options, parts, {
      down: (error) => this.#questions?.end(error),
      up: () => void this.#back(),
      forbidden: (subject, error) => this.#presence.forbid(subject, error),
    });
    this.#presence = new Presence({
      client: this.#client,
      clock: parts.clock,
      queryTopic: this.#queryTopic,
      watchTopic: this.#watchTopic,
    });
    this.#followed = new FollowedNodes({
      ...parts,
      registry: 'nats',
      follow: (service, view, signal) => this.#follow(service, view, signal),
    });
  }

  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#questions !== undefined) return;
      await this.#client.start();
      const { timeoutMs = 100, quorum = Infinity } = this.options;
      this.#questions = new Questions({
        client: this.#client,
        clock: this.#parts.clock,
        topic: this.#queryTopic,
        timeoutMs,
        quorum,
        onHeard: (answer) => this.#hear(answer),
      });
    });
  }

  /** Says goodbye for what is still registered: nobody would answer for it. */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      this.#followed.end();
      this.#looking?.cancel();
      this.#looking = undefined;
      await this.#presence.leave().catch(() => {});
      this.#questions?.end(new OctavoError('unavailable', 'the nats registry was stopped'));
      this.#questions = undefined;
      this.#listening = undefined;
      await this.#client.stop();
    });
  }

  async register(service: ServiceRecord, { ttlMs }: RegisterOptions = {}): Promise<void> {
    this.#running();
    checkRecord(service);
    await this.#followed.begun(service.name);
    const nodes = nodesOf(frozen(service)).map((record) => ({ ...record, ttlMs }));
    await this.#presence.put(nodes);
  }

  async deregister(service: ServiceRecord): Promise<void> {
    this.#running();
    await this.#followed.begun(service.name);
    await this.#presence.remove(service);
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    const questions = this.#running();
    await this.#followed.begun(name);
    const heard = await questions.ask(name);
    const nodes = new Map([...heard].filter(([, { service }]) => service.name === name));
    for (const own of this.#presence.of(name)) nodes.set(keyOf(own), own);
    // Whose word counts for what a version has is not left to who answers first.
    const sorted = [...nodes].sort(([a], [b]) => (a < b ? -1 : 1));
    return versionsOf(sorted.map(([, each]) => recordOf(each)));
  }

  async listServices(): Promise<readonly string[]> {
    const heard = await this.#running().ask(undefined);
    const names = [...heard.values(), ...this.#presence.of(undefined)].map(({ service }) => service.name);
    return [...new Set(names)].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#followed.watch(options);
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #running(): Questions {
    if (this.#questions !== undefined) return this.#questions;
    throw new OctavoError('failed_precondition', 'the nats registry is not started: call start() first');
  }

  /** Follows what is told from now on, on the ground of what is there, until nobody watches. */
  async #follow(service: string | undefined, view: NodeView, signal: AbortSignal): Promise<void> {
    const questions = this.#running();
    const following = new Following(service, view);
    this.#following.add(following);
    try {
      this.#listening ??= this.#client.subscribe(this.#watchTopic, ({ data }) =>
        this.#hear(readChange(data)),
      );
      await questions.ask(service);
      following.begin();
      this.#looking ??= this.#lookLater();
      if (!signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    } finally {
      this.#following.delete(following);
      if (this.#following.size === 0) {
        this.#listening?.end();
        this.#listening = undefined;
      }
    }
  }

  #hear(change: Change | undefined): void {
    if (change === undefined) return;
    const now = this.#parts.clock.now();
    for (const following of this.#following) following.hear(change, now);
  }

  #lookLater(): Timer {
    return this.#parts.clock.after(
      LOOK_MS,
      () => {
        this.#looking = this.#following.size > 0 ? this.#lookLater() : undefined;
        this.#look();
      },
      { background: true },
    );
  }

  /** Asks for those that have fallen silent. What they say is heard by those who follow. */
  #look(): void {
    const questions = this.#questions;
    if (questions === undefined || !this.#client.up) return;
    const now = this.#parts.clock.now();
    const names = new Set([...this.#following].flatMap((following) => [...following.silent(now)]));
    const asked = names.size > MOST_NAMES ? [undefined] : names;
    for (const name of asked) questions.ask(name).catch(() => {});
  }

  /** The connection is there again: what was told meanwhile was not heard, and nobody heard of us. */
  async #back(): Promise<void> {
    const now = this.#parts.clock.now();
    for (const following of this.#following) following.suspect(now);
    this.#look();
    try {
      await this.#presence.announce();
    } catch (error) {
      this.#parts.logger.warn('the nodes of this process could not be announced again', { error });
    }
  }
}

/** Finds services over NATS. */
export function nats(options: NatsRegistryOptions = {}): Provider<Registry> {
  return (resolve) =>
    new NatsRegistry(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(NatsConnections),
    });
}
