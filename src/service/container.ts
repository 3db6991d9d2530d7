import 'reflect-metadata';

import { container as root, type DependencyContainer } from 'tsyringe';
import { contractOf, topicOf } from '../client/proxy.js';
import { Client } from '../client/client.js';
import { injectionsOf, isInjectable, type Injection } from '../core/dependencies.js';
import { OctavoError } from '../core/error.js';
import type { Lifecycle } from '../core/lifecycle.js';
import type { Logger } from '../core/logger.js';
import type { Resolve, Token } from '../core/provider.js';
import { declarationOf, isService, type ServiceClass } from '../schema/service-declaration.js';

/** Makes what a token stands for, now or a little later. */
export type Factory<T> = (resolve: Resolve) => T | Promise<T>;

/** Something a user adds to the container: `[Database, () => new Database()]`. */
export type Provided<T = unknown> = readonly [Token<T>, Factory<T>];

type Made = new (...args: unknown[]) => object;

/**
 * Finds and makes what constructors ask for, each thing once, and runs the lifecycles of what it made.
 *
 * Registration, lookup through parents and instances are tsyringe's, in a container of our own: nothing is registered globally. What may be
 * made, and what to say when it may not, is decided here: tsyringe would make an abstract class without a word.
 */
export class Container {
  readonly #parent: Container | undefined;
  readonly #inner: DependencyContainer;
  /** In order of being ready, so that dependencies come before what depends on them. */
  readonly #made: unknown[] = [];
  readonly #overrides: ReadonlyMap<Token<unknown>, unknown>;
  readonly #used: Set<Token<unknown>>;
  readonly #chain: Token<unknown>[];
  #started: Lifecycle[] = [];

  /** @param overrides take the place of whatever is registered under their tokens */
  constructor(overrides: ReadonlyMap<Token<unknown>, unknown> = new Map(), parent?: Container) {
    this.#parent = parent;
    this.#overrides = overrides;
    this.#used = parent === undefined ? new Set() : parent.#used;
    this.#chain = parent === undefined ? [] : parent.#chain;
    this.#inner = (parent === undefined ? root : parent.#inner).createChildContainer();
  }

  /** A container that sees all that this one has, and keeps what is made in it to itself. */
  child(): Container {
    return new Container(this.#overrides, this);
  }

  /** Overrides that nobody asked for. */
  get unused(): readonly Token<unknown>[] {
    return [...this.#overrides.keys()].filter((token) => !this.#used.has(token));
  }

  /** Registers how to make a thing. It is made when it is first asked for, once. A token may be registered more than once: see `@InjectAll`. */
  provide<T>(token: Token<T>, make: (resolve: Resolve) => T): void {
    let made: { readonly thing: T } | undefined;
    this.#inner.register<T>(keyOf(token), {
      useFactory: () => (made ??= { thing: this.#keep(make(this.resolve)) }).thing,
    });
  }

  /** Registers what a user adds; what takes time is waited for. */
  async add([token, make]: Provided): Promise<void> {
    const thing = await make(this.resolve);
    this.provide(token, () => thing);
  }

  /**
   * What is registered under a token, or can be made: a service, a class with `@Injectable()`, a client or publisher class.
   *
   * @throws `failed_precondition` that names the whole chain and the remedy
   */
  readonly resolve = <T>(token: Token<T>): T => {
    // Whoever overrides a token vouches for the type.
    if (this.#overrides.has(token)) return this.#override(token) as T;
    if (this.#chain.includes(token))
      throw this.#refuse(
        `${nameOf(token)} needs itself`,
        'break the circle: let one of them find the other when it is called',
      );
    this.#chain.push(token);
    try {
      if (!this.#inner.isRegistered(keyOf(token), true)) this.#learn(token);
      return this.#inner.resolve<T>(keyOf(token));
    } finally {
      this.#chain.pop();
    }
  };

  /** Everything that is registered under a token, in order. */
  resolveAll<T>(token: Token<T>): readonly T[] {
    return this.#inner.isRegistered(keyOf(token), true) ? this.#inner.resolveAll<T>(keyOf(token)) : [];
  }

  /** Whether anybody could be given what this token names. */
  couldInject(token: Token<unknown>): boolean {
    return this.#makes(token) || isService(token as ServiceClass);
  }

  /** Starts what was made, in order of dependency. When one fails, those that were started are stopped, last first. */
  async start(logger: Logger): Promise<void> {
    try {
      for (const thing of this.#made) {
        if (!isLifecycle(thing)) continue;
        this.#started.push(thing);
        await thing.start?.();
      }
    } catch (reason) {
      await this.stop(logger);
      throw reason;
    }
  }

  /** Stops what was started, last first. One that fails is logged and does not keep the others up. */
  async stop(logger: Logger): Promise<void> {
    const started = this.#started;
    this.#started = [];
    for (const thing of started.toReversed())
      try {
        await thing.stop?.();
      } catch (error) {
        logger.error(`${nameOf(thing.constructor)} could not be stopped`, { error });
      }
  }

  #keep<T>(thing: T): T {
    this.#made.push(thing);
    return thing;
  }

  /** An override is started and stopped with the app, wherever it was first asked for. */
  #override(token: Token<unknown>): unknown {
    const thing = this.#overrides.get(token);
    if (this.#parent !== undefined) return this.#parent.#override(token);
    if (!this.#used.has(token)) this.#keep(thing);
    this.#used.add(token);
    return thing;
  }

  /** Registers a class that says by itself how it is made. */
  #learn(token: Token<unknown>): void {
    if (contractOf(token) !== undefined || topicOf(token) !== undefined)
      // Classes of `ClientOf` and `PublisherOf` take the client and nothing else.
      this.provide(token, (resolve) => new (token as unknown as Made)(resolve(Client)));
    else if (isInjectable(token) || isService(token as ServiceClass)) {
      const parameters = this.#parameters(token);
      this.provide(
        token,
        () => new (token as unknown as Made)(...parameters.map((each) => this.#argument(each))),
      );
    } else throw this.#refuse(`nothing is registered for ${nameOf(token)}`, remedy(token));
  }

  #argument({ token, optional, all }: Required<Injection>): unknown {
    if (all) return this.resolveAll(token);
    if (optional && !this.#known(token)) return undefined;
    return this.resolve(token);
  }

  #known(token: Token<unknown>): boolean {
    return this.#overrides.has(token) || this.#makes(token);
  }

  #makes(token: Token<unknown>): boolean {
    return (
      this.#inner.isRegistered(keyOf(token), true) ||
      contractOf(token) !== undefined ||
      topicOf(token) !== undefined ||
      isInjectable(token)
    );
  }

  #parameters(type: Token<unknown>): readonly Required<Injection>[] {
    const own: unknown = Reflect.getOwnMetadata('design:paramtypes', type);
    // A class without a constructor of its own has that of the class it extends.
    const types: unknown =
      own ?? (type.length === 0 ? Reflect.getMetadata('design:paramtypes', type) : undefined);
    if (types === undefined && type.length > 0)
      throw this.#refuse(
        `${nameOf(type)} has a constructor that nothing is known of`,
        'put @Injectable() on it and compile with "emitDecoratorMetadata"',
      );
    const declared = injectionsOf(type);
    // TypeScript writes this metadata, an array with one value for each parameter.
    return ((types as readonly unknown[] | undefined) ?? []).map((written, index) => {
      const { token = written, optional = false, all = false } = declared.get(index) ?? {};
      if (typeof token !== 'function' || token === Object || token === Function)
        throw this.#refuse(
          `parameter ${index + 1} of ${nameOf(type)} has no class as its type`,
          'import the class without "import type", or put @Inject(Class) before the parameter',
        );
      return { token: token as Token<unknown>, optional, all };
    });
  }

  #refuse(what: string, how: string): OctavoError {
    const chain = this.#chain.map(nameOf);
    const path = chain.length > 1 ? ` (${chain.join(' -> ')})` : '';
    return new OctavoError('failed_precondition', `${what}${path}: ${how}`);
  }
}

function remedy(token: Token<unknown>): string {
  if (String(token).startsWith('class') && /^[A-Z]/.test(token.name))
    return 'put @Injectable() on the class, give one by the option "provide", or mark the parameter @Optional()';
  return 'give one by the option "provide"';
}

/** tsyringe takes any constructor as a key, but its type leaves abstract ones out. */
function keyOf<T>(token: Token<T>): new () => T {
  return token as unknown as new () => T;
}

function nameOf(token: { readonly name: string }): string {
  return token.name || 'an unnamed class';
}

function isLifecycle(thing: unknown): thing is Lifecycle & object {
  if (typeof thing !== 'object' || thing === null) return false;
  // What every object has, and what a service's may be: its endpoints are for its callers.
  const type = thing.constructor as ServiceClass;
  if (
    isService(type) &&
    declarationOf(type).methods.some(({ property }) => property === 'start' || property === 'stop')
  )
    return false;
  const { start, stop } = thing as { start?: unknown; stop?: unknown };
  return typeof start === 'function' || typeof stop === 'function';
}
