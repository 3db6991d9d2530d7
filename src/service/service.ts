import type { Broker, Subscriber } from '../broker/broker.js';
import type { Client } from '../client/client.js';
import type { Codec } from '../codec/codec.js';
import type { Clock } from '../core/clock.js';
import type { EventContext } from '../core/context.js';
import type { Lifecycle } from '../core/lifecycle.js';
import type { Logger } from '../core/logger.js';
import type { Provided, Provider, Resolve } from '../core/provider.js';
import type { Registry } from '../registry/registry.js';
import type { MessageType } from '../schema/message-type.js';
import type { Topic } from '../schema/topic.js';
import type { Selector } from '../selector/selector.js';
import type { Server, SubscriptionOptions } from '../server/server.js';
import type { Transport } from '../transport/transport.js';

/** What a service calls around its own start and stop, in the order given. */
export interface ServiceHooks {
  readonly beforeStart?: readonly (() => void | Promise<void>)[];
  readonly afterStart?: readonly (() => void | Promise<void>)[];
  readonly beforeStop?: readonly (() => void | Promise<void>)[];
  readonly afterStop?: readonly (() => void | Promise<void>)[];
}

/** Variables and their values, as `process.env` has them. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The slots of an app: what is left out is chosen by the environment, else the default. */
export interface StackOptions {
  /** @defaultValue `mdns()` */
  readonly registry?: Provider<Registry>;
  /** @defaultValue `http()` */
  readonly transport?: Provider<Transport>;
  /** @defaultValue `http()` */
  readonly broker?: Provider<Broker>;
  /** @defaultValue `cache()` */
  readonly selector?: Provider<Selector>;
  /** The first that names a content type has it. @defaultValue `[protobuf(), json()]` */
  readonly codecs?: readonly Provider<Codec>[];
  /** @defaultValue `rpc()` */
  readonly client?: Provider<Client>;
  /** One or several, each a node of its own. @defaultValue `rpc()`; none for a service without handlers and subscribers */
  readonly server?: Provider<Server> | readonly Provider<Server>[];
  /** @defaultValue the machine's */
  readonly clock?: Provider<Clock>;
  /** @defaultValue lines of text on standard error, from `MICRO_LOG_LEVEL` on */
  readonly logger?: Provider<Logger>;
}

/** What an app of one or several services is made of. */
export interface AppOptions extends StackOptions, ServiceHooks {
  /** Added to the container, in this order: `[[Database, () => openDatabase()]]`. Each is waited for, before anything starts. */
  readonly provide?: readonly Provided[];
  /** Where variables are read. @defaultValue `process.env` */
  readonly env?: Env;
}

/**
 * One service: its handlers, wired to a server, a client and everything below.
 *
 * `octavo/conformance/service` says whether an implementation is one.
 */
export abstract class Service implements Lifecycle {
  abstract readonly name: string;
  abstract readonly version: string;
  /** What it was assembled from, shared by all services of an app. */
  abstract readonly options: AppOptions;
  abstract readonly client: Client;
  /** The first of its servers. */
  abstract readonly server: Server;

  /** Finds what is registered for this service: a client class, a contract, a class of the user's. */
  abstract readonly resolve: Resolve;

  /** Subscribes while it runs. */
  abstract subscribe<T extends object>(
    topic: Topic<T>,
    handler: (event: T, context: EventContext) => void | Promise<void>,
    options?: SubscriptionOptions,
  ): Promise<Subscriber>;
  abstract subscribe<T extends object>(
    topic: string,
    type: MessageType<T>,
    handler: (event: T, context: EventContext) => void | Promise<void>,
    options?: SubscriptionOptions,
  ): Promise<Subscriber>;

  /**
   * Opens everything in dependency order; closes what was opened, in reverse, when something cannot be.
   *
   * A start and a stop that are asked for at once are done one after the other.
   */
  abstract start(): Promise<void>;
  /** Starts, and resolves after it was stopped by SIGTERM, SIGINT or {@link stop}. */
  abstract run(): Promise<void>;
  abstract stop(): Promise<void>;
}
