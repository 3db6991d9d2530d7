import { memory as memoryBroker } from '../broker/memory.js';
import type { Token } from '../core/provider.js';
import type { Logger } from '../core/logger.js';
import { memory as memoryRegistry } from '../registry/memory.js';
import type { ServiceClass } from '../schema/service-declaration.js';
import { App, plan } from '../service/app.js';
import type { AppOptions } from '../service/service.js';
import type { Service } from '../service/service.js';
import { memory as memoryTransport } from '../transport/memory.js';
import { validate } from '../wrapper/validate.js';
import { TestLogger } from './test-logger.js';

export interface TestAppOptions extends AppOptions {
  readonly services: readonly ServiceClass[];
  /** Whether replies are held to the rules of their class: one that breaks any is `internal`. @defaultValue `true` */
  readonly validateReplies?: boolean;
}

/** Services on a stack in memory, which still encodes, decodes and runs every wrapper. Each app has one of its own. */
export class TestApp {
  readonly #app: App;
  /** What was logged, where the app logs to the test logger. */
  readonly logs: TestLogger;

  private constructor(app: App, logs: TestLogger) {
    this.#app = app;
    this.logs = logs;
  }

  /** Says what there is; `start` makes it. Nothing is read from the environment. */
  static create({ services, validateReplies = true, ...options }: TestAppOptions): TestAppBuilder {
    const logs = new TestLogger();
    return new TestAppBuilder((overrides) => {
      const stack = {
        registry: memoryRegistry(),
        transport: memoryTransport(),
        broker: memoryBroker(),
        logger: (): Logger => logs,
        env: {},
      };
      const innermost = validateReplies ? [validate()] : [];
      return new TestApp(new App(plan(services), { ...stack, ...options }, overrides, innermost), logs);
    });
  }

  /** A typed client of what runs here. */
  client<T>(type: Token<T>): T {
    return this.resolve(type);
  }

  /** What the first service would get injected. */
  resolve<T>(token: Token<T>): T {
    return this.service().resolve(token);
  }

  /** The service of this name; the first without one. */
  service(name?: string): Service {
    const found = this.#app.services.find((each) => name === undefined || each.name === name);
    if (found === undefined) throw new Error(`this app has no service "${name}"`);
    return found;
  }

  /** Makes and starts everything. {@link TestAppBuilder.start} does this. */
  async start(): Promise<void> {
    await this.#app.start();
  }

  async stop(): Promise<void> {
    await this.#app.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** An app that is not made yet. */
export class TestAppBuilder {
  readonly #make: (overrides: ReadonlyMap<Token<unknown>, unknown>) => TestApp;
  readonly #overrides = new Map<Token<unknown>, unknown>();

  constructor(make: (overrides: ReadonlyMap<Token<unknown>, unknown>) => TestApp) {
    this.#make = make;
  }

  /** Puts something in the place of whatever a token stands for, for every service. One that nobody can be given fails at start. */
  override<T>(token: Token<T>, instead: NoInfer<T>): this {
    this.#overrides.set(token, instead);
    return this;
  }

  async start(): Promise<TestApp> {
    const app = this.#make(this.#overrides);
    await app.start();
    return app;
  }
}
