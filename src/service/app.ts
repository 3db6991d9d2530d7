import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import { declarationOf, type ServiceClass } from '../schema/service-declaration.js';
import type { Token } from '../core/provider.js';
import type { Wrapper } from '../wrapper/wrapper.js';
import type { End } from '../wrapper/wrapper.js';
import { AppService, type ServicePlan } from './app-service.js';
import { Container } from './container.js';
import { Environment } from './env.js';
import { Exposition } from './exposition.js';
import type { Host } from './host.js';
import { Joined } from './joined.js';
import type { AppOptions } from './service.js';
import { stack } from './stack.js';
import { checkNames, checkServers } from './twice.js';

/** One process's services, and the stack that they share. */
export class App implements Host {
  readonly services: readonly AppService[];
  readonly options: AppOptions;
  readonly innermost: readonly Wrapper[];
  readonly #overrides: ReadonlyMap<Token<unknown>, unknown>;
  readonly #onStopped: (() => void)[] = [];
  #container: Container | undefined;
  /** The last start or stop that was asked for, over or not. */
  #turn: Promise<void> = Promise.resolve();

  constructor(
    plans: readonly ServicePlan[],
    options: AppOptions,
    overrides: ReadonlyMap<Token<unknown>, unknown> = new Map(),
    innermost: readonly Wrapper[] = [],
  ) {
    this.options = options;
    this.innermost = innermost;
    this.#overrides = overrides;
    this.services = plans.map((plan) => new AppService(plan, this));
  }

  /** What the services share. Throws `failed_precondition` before the start. */
  get container(): Container {
    if (this.#container !== undefined) return this.#container;
    throw new OctavoError('failed_precondition', `${this.#names} is not started: call start() first`);
  }

  get logger(): Logger {
    return this.container.resolve(Logger);
  }

  start(): Promise<void> {
    return this.#inTurn(() => (this.#container === undefined ? this.#start() : undefined));
  }

  stop(): Promise<void> {
    return this.#inTurn(() => (this.#container === undefined ? undefined : this.#stop()));
  }

  /** Calls `listener` once, after the next stop, or a start that failed. */
  onStopped(listener: () => void): void {
    this.#onStopped.push(listener);
  }

  get #names(): string {
    return this.services.map(({ name }) => `"${name}"`).join(', ');
  }

  /** Starts and stops are done one after the other, so that the last one asked for is what holds in the end. */
  #inTurn(run: () => Promise<void> | undefined): Promise<void> {
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #start(): Promise<void> {
    const { afterStart = [], beforeStart = [] } = this.options;
    try {
      for (const hook of beforeStart) await hook();
      const { container, logger } = await this.#assemble();
      await container.start(logger);
      for (const service of this.services) await service.open();
      for (const hook of afterStart) await hook();
    } catch (reason) {
      await this.#close();
      throw reason;
    }
  }

  /** Makes everything. What takes time to make may be open after that; nothing else is. */
  async #assemble(): Promise<{ container: Container; logger: Logger }> {
    const { provide = [], env = process.env } = this.options;
    const environment = new Environment(env);
    checkNames(this.services, environment);
    const container = new Container(this.#overrides);
    const { client, server } = await stack(this.options, environment, container);
    const logger = container.resolve(Logger);
    this.#container = container;
    for (const each of provide) await container.add(each);
    for (const service of this.services)
      service.assemble(container, client, this.#servers(service, server), environment);
    checkServers(this.services);
    this.#join(container);
    this.#checkOverrides(container);
    return { container, logger };
  }

  async #stop(): Promise<void> {
    const { logger } = this;
    const { beforeStop = [], afterStop = [] } = this.options;
    for (const hook of beforeStop) await guarded(hook, logger);
    await this.#close();
    for (const hook of afterStop) await guarded(hook, logger);
  }

  async #close(): Promise<void> {
    const container = this.#container;
    if (container !== undefined) {
      const { logger } = this;
      for (const service of this.services.toReversed()) await service.close(logger);
      await container.stop(logger);
      this.#container = undefined;
    }
    for (const listener of this.#onStopped.splice(0)) listener();
  }

  /** The servers of a service: those of the option; else the default one, where there is anything to serve. */
  #servers(
    service: AppService,
    fallback: Awaited<ReturnType<typeof stack>>['server'],
  ): readonly (typeof fallback)[] {
    const { server } = this.options;
    if (server === undefined) return service.serves ? [fallback] : [];
    return typeof server === 'function' ? [server] : server;
  }

  /** Has what wrappers need started and stopped with the rest, and every server show what the wrappers of all count. */
  #join(container: Container): void {
    const wrappers = [...this.services.flatMap((each) => each.wrappers), ...container.clientWrappers];
    const { made } = container;
    container.provide(Joined, (resolve) => new Joined({ resolve, made, wrappers, ends: this.#ends() }));
    container.resolve(Joined);
    const exposition = new Exposition(wrappers);
    for (const { servers } of this.services) for (const server of servers) server.expose?.(exposition);
  }

  #ends(): readonly End[] {
    return this.services.flatMap(({ client, servers }) => [
      { name: client.name, dialled: () => client.connections?.() },
      ...servers.map((server) => ({ name: server.name, accepted: () => server.connections?.() })),
    ]);
  }

  #checkOverrides(container: Container): void {
    for (const token of container.unused) {
      if (!container.couldInject(token))
        throw new OctavoError(
          'failed_precondition',
          `the override of ${token.name} changes nothing: nobody can inject it`,
        );
      this.logger.warn(`the override of ${token.name} was not used`);
    }
  }
}

/** A hook that throws must not keep the rest up. */
async function guarded(hook: () => void | Promise<void>, logger: Logger): Promise<void> {
  try {
    await hook();
  } catch (error) {
    logger.error('a stop hook threw', { error });
  }
}

/** Groups classes into services: one name and version is one service, whatever the number of its classes. */
export function plan(classes: readonly ServiceClass[]): readonly ServicePlan[] {
  const plans = new Map<
    string,
    { -readonly [K in keyof ServicePlan]: ServicePlan[K] } & { classes: ServiceClass[] }
  >();
  for (const type of classes) {
    const { name, version, package: pack, metadata } = declarationOf(type);
    const key = `${name} ${version}`;
    const known = plans.get(key);
    if (known === undefined) plans.set(key, { name, version, package: pack, metadata, classes: [type] });
    else {
      known.classes.push(type);
      known.metadata = { ...known.metadata, ...metadata };
    }
  }
  return [...plans.values()];
}
