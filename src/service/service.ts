import type { Subscriber } from '../broker/broker.js';
import type { Client } from '../client/client.js';
import type { EventContext } from '../core/context.js';
import type { Lifecycle } from '../core/lifecycle.js';
import type { Resolve } from '../core/provider.js';
import type { MessageType } from '../schema/message-type.js';
import type { Topic } from '../schema/topic.js';
import type { Server, SubscriptionOptions } from '../server/server.js';

/** What a service calls around its own start and stop, in the order given. */
export interface ServiceHooks {
  readonly beforeStart?: readonly (() => void | Promise<void>)[];
  readonly afterStart?: readonly (() => void | Promise<void>)[];
  readonly beforeStop?: readonly (() => void | Promise<void>)[];
  readonly afterStop?: readonly (() => void | Promise<void>)[];
}

/**
 * One service: its handlers, wired to a server, a client and everything below.
 *
 * `octavo/conformance/service` says whether an implementation is one.
 */
export abstract class Service implements Lifecycle {
  abstract readonly name: string;
  abstract readonly version: string;
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
