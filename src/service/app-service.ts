import type { Subscriber } from '../broker/broker.js';
import { Client } from '../client/client.js';
import type { EventContext } from '../core/context.js';
import { OctavoError } from '../core/error.js';
import { Identity } from '../core/identity.js';
import type { Logger } from '../core/logger.js';
import type { Provider, Resolve } from '../core/provider.js';
import type { MessageType } from '../schema/message-type.js';
import { declarationOf, type ServiceClass } from '../schema/service-declaration.js';
import type { Topic } from '../schema/topic.js';
import { Server, type Subscription, type SubscriptionOptions } from '../server/server.js';
import type { Wrapper } from '../wrapper/wrapper.js';
import type { Container } from './container.js';
import type { Environment } from './env.js';
import { handlersOf } from './handlers.js';
import type { Host } from './host.js';
import { Service, type AppOptions } from './service.js';
import { untilStopped } from './signals.js';

/** What a service is before it is assembled. */
export interface ServicePlan {
  readonly name: string;
  readonly version: string;
  readonly package: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly classes: readonly ServiceClass[];
}

/** A service of an app. Starting or stopping it starts or stops the app, as the services share what is below them. */
export class AppService extends Service {
  readonly #plan: ServicePlan;
  readonly #app: Host;
  #identity: Identity | undefined;
  #container: Container | undefined;
  #servers: readonly Server[] = [];
  #subscriptions: readonly Subscription[] = [];
  #wrappers: readonly Wrapper[] = [];

  constructor(plan: ServicePlan, app: Host) {
    super();
    this.#plan = plan;
    this.#app = app;
  }

  /** The declared one, until the environment was asked. */
  get name(): string {
    return (this.#identity ?? this.#plan).name;
  }

  get version(): string {
    return (this.#identity ?? this.#plan).version;
  }

  get options(): AppOptions {
    return this.#app.options;
  }

  get client(): Client {
    return this.resolve(Client);
  }

  get server(): Server {
    const [server] = this.#servers;
    if (server !== undefined) return server;
    throw new OctavoError(
      'failed_precondition',
      `"${this.name}" has no server: it is not started, or has nothing to serve`,
    );
  }

  /** All of them, from the assembly to the stop. */
  get servers(): readonly Server[] {
    return this.#servers;
  }

  /** Every wrapper that it was assembled with, wherever it stands. */
  get wrappers(): readonly Wrapper[] {
    return this.#wrappers;
  }

  readonly resolve: Resolve = (token) => (this.#container ?? this.#app.container).resolve(token);

  /** Whether it has anything to serve. */
  get serves(): boolean {
    return this.#plan.classes.length > 0;
  }

  start(): Promise<void> {
    return this.#app.start();
  }

  stop(): Promise<void> {
    return this.#app.stop();
  }

  run(): Promise<void> {
    return untilStopped(this.#app);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async subscribe<T extends object>(
    topic: Topic<T> | string,
    ...rest: readonly unknown[]
  ): Promise<Subscriber> {
    // The overloads of the contract say what stands where.
    const [type, handler, options] = (typeof topic === 'string' ? rest : [topic.type, ...rest]) as [
      MessageType<T>,
      (event: T, context: EventContext) => void | Promise<void>,
      SubscriptionOptions?,
    ];
    const [subscriber] = await this.server.subscribe([
      {
        topic: typeof topic === 'string' ? topic : topic.name,
        type,
        name: handler.name === '' ? 'subscriber' : handler.name,
        // What is decoded for a type is an instance of it.
        handler: (event, context) => handler(event as T, context),
        options: options ?? {},
        wrappers: [],
      },
    ]);
    if (subscriber === undefined)
      throw new OctavoError('internal', 'a server gave no subscriber for a subscription');
    return subscriber;
  }

  /** Makes everything of this service, and opens nothing. */
  assemble(
    parent: Container,
    client: Provider<Client>,
    servers: readonly Provider<Server>[],
    env: Environment,
  ): void {
    const container = parent.child();
    this.#container = container;
    const { name, version, package: pack, metadata, classes } = this.#plan;
    const told = env.server;
    const identity = new Identity({
      name: told.name ?? name,
      version: told.version ?? version,
      package: pack,
      metadata,
    });
    this.#identity = identity;
    container.provide(Identity, () => identity);
    container.provide(Client, client);
    // Made now, with all it stands on, so that it is started with the rest even where no constructor asks for it.
    const { options: calling } = container.resolve(Client);
    const handlers = classes.map((type) => {
      const instance = container.resolve(type);
      return handlersOf(declarationOf(type), instance, container.resolve, this.#app.innermost);
    });
    for (const server of servers) container.provide(Server, server);
    // After the user's classes, so that it starts after them and stops before.
    this.#servers = servers.length === 0 ? [] : container.resolveAll(Server);
    for (const server of this.#servers) server.handle(handlers.flatMap(({ endpoints }) => endpoints));
    this.#subscriptions = handlers.flatMap(({ subscriptions }) => subscriptions);
    this.#wrappers = [
      ...[calling.wrappers, calling.callWrappers, calling.publishWrappers, container.clientWrappers],
      ...this.#servers.flatMap(({ options }) => [options.wrappers, options.subscriberWrappers]),
      ...handlers.flatMap(({ endpoints }) => endpoints.map((each) => each.wrappers)),
      ...this.#subscriptions.map((each) => each.wrappers),
    ].flatMap((each) => each ?? []);
  }

  async open(): Promise<void> {
    // Several servers of one service would each get every event.
    await this.#servers[0]?.subscribe(this.#subscriptions);
    await this.#container?.start(this.#app.logger);
  }

  async close(logger: Logger): Promise<void> {
    // Side by side, and before the container asks them one by one: each has calls of its own to finish.
    await Promise.all(
      this.#servers.map(async (server) => {
        await server
          .stop()
          .catch((error: unknown) => logger.error(`${server.name} could not be stopped`, { error }));
      }),
    );
    await this.#container?.stop(logger);
    this.#container = undefined;
    this.#servers = [];
  }
}
