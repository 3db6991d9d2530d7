import 'reflect-metadata';

import { container as root, type DependencyContainer } from 'tsyringe';
import { contractOf, topicOf, wrapped } from '../client/proxy.js';
import { WrappedClient } from '../client/wrapped-client.js';
import { Client } from '../client/client.js';
import { injectionsOf, isInjectable, type Injection } from '../core/dependencies.js';
import { OctavoError } from '../core/error.js';
import type { Lifecycle } from '../core/lifecycle.js';
import type { Logger } from '../core/logger.js';
import type { Provided, Resolve, Token } from '../core/provider.js';
import { declarationOf, isService, type ServiceClass } from '../schema/service-declaration.js';
import type { Wrapper } from '../wrapper/wrapper.js';

type Made = new (...args: unknown[]) => object;

/**
 * Finds and makes what constructors ask for, each thing once, and runs the lifecycles of what it made.
 *
 * Registration, lookup through parents and instances are tsyringe's, in a container of our own: nothing is registered globally. What may be
 * made, and what to say when it may not, is decided here: tsyringe would make an abstract class without a word.
 */
export class Container {
  /** Those of the classes of clients that were made here. */
  readonly clientWrappers: Wrapper[] = [];
  readonly #parent: Container | undefined;
  readonly #inner: DependencyContainer;
  /** In order of being ready, so that dependencies come before what depends on them. */
  readonly #made = new Set<Lifecycle>();
  readonly #overrides: ReadonlyMap<Token<unknown>, unknown>;
  readonly #used: Set<Token<unknown>>;
  readonly #chain: Token<unknown>[];
  readonly #learned = new Set<Token<unknown>>();
  readonly #started = new Set<Lifecycle>();
  #running = false;

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
      useFactory: () => (made ??= { thing: this.#keep(token, make(this.resolve)) }).thing,
    });
  }

  /** Makes and registers what a user adds, and waits for it. What is overridden is not made. */
  async add([token, make]: Provided): Promise<void> {
    if (this.#overrides.has(token)) return this.provide(token, () => this.#override(token));
    const thing = this.#keep(token, await make(this.resolve));
    // Making it may have opened it, so it is stopped also where the start does not get as far as this.
    if (isLifecycle(token, thing)) this.#started.add(thing);
    this.#inner.register<unknown>(keyOf(token), { useFactory: () => thing });
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
      if (!this.#registered(token)) this.#learn(token);
      return this.#inner.resolve<T>(keyOf(token));
    } finally {
      this.#chain.pop();
    }
  };

  /** Everything that is registered under a token, in order; an override takes the place of all. */
  resolveAll<T>(token: Token<T>): readonly T[] {
    if (this.#overrides.has(token)) return [this.resolve(token)];
    return this.#registered(token) ? this.#inner.resolveAll<T>(keyOf(token)) : [];
  }

  /** What was made with a life cycle and is what a token names; `undefined` where nobody has asked for it. Nothing is made. */
  readonly made = <T>(token: Token<T>): T | undefined => {
    for (const thing of this.#made) if (thing instanceof token) return thing;
    return undefined;
  };

  /** Whether anybody could be given what this token names. */
  couldInject(token: Token<unknown>): boolean {
    return this.#makes(token) || isService(token as ServiceClass);
  }

  /** Starts what was made, in order of dependency. When one fails, those that were started are stopped, last first. */
  async start(logger: Logger): Promise<void> {
    try {
      // What these make while they start comes after them.
      for (const thing of this.#made) {
        this.#started.add(thing);
        await thing.start?.();
      }
      this.#running = true;
    } catch (reason) {
      await this.stop(logger);
      throw reason;
    }
  }

  /** Stops what was started, last first. One that fails is logged and does not keep the others up. */
  async stop(logger: Logger): Promise<void> {
    this.#running = false;
    for (const thing of [...this.#made].reverse()) {
      if (!this.#started.delete(thing)) continue;
      try {
        await thing.stop?.();
      } catch (error) {
        logger.error(`${nameOf(thing.constructor)} could not be stopped`, { error });
      }
    }
  }

  /** Remembers what has a life cycle. Throws once the app runs: nobody would start it. */
  #keep<T>(token: Token<T>, thing: T): T {
    if (!isLifecycle(token, thing)) return thing;
    if (this.#running)
      throw this.#refuse(
        `${nameOf(token)} has a start or a stop, and is asked for when the app runs already`,
        'inject it, or give it by the option "provide", so that it is started with the rest',
      );
    this.#made.add(thing);
    return thing;
  }

  /** Remembers the wrappers of a class of clients. Throws once the app runs where one of them needs something open: nobody would open it. */
  #join({ of, wrappers }: WrappedClient): void {
    if (this.#running && wrappers.some(({ joins }) => joins !== undefined))
      throw this.#refuse(
        `${nameOf(of)} has a wrapper that needs something open, and is asked for when the app runs already`,
        'inject it, so that it is opened with the rest',
      );
    this.clientWrappers.push(...wrappers);
  }

  /** An override is started and stopped with the app, wherever it was first asked for. */
  #override(token: Token<unknown>): unknown {
    const thing = this.#overrides.get(token);
    if (this.#parent !== undefined) return this.#parent.#override(token);
    if (!this.#used.has(token) && !this.#running) this.#keep(token, thing);
    this.#used.add(token);
    return thing;
  }

  /** Whether something is registered here, or was by somebody above. What a class above says by itself is said again here. */
  #registered(token: Token<unknown>): boolean {
    if (this.#inner.isRegistered(keyOf(token))) return true;
    if (this.#parent === undefined) return this.#inner.isRegistered(keyOf(token), true);
    return !this.#parent.#learned.has(token) && this.#parent.#registered(token);
  }

  /** Registers a class that says by itself how it is made. */
  #learn(token: Token<unknown>): void {
    this.#learned.add(token);
    if (contractOf(token) !== undefined || topicOf(token) !== undefined)
      // Classes of `ClientOf` and `PublisherOf` take the client and nothing else.
      this.provide(token, (resolve) => {
        const client = wrapped(token, resolve(Client), resolve);
        if (client instanceof WrappedClient) this.#join(client);
        return new (token as unknown as Made)(client);
      });
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
      this.#registered(token) ||
      contractOf(token) !== undefined ||
      topicOf(token) !== undefined ||
      isInjectable(token)
    );
  }

  #parameters(type: Token<unknown>): readonly Required<Injection>[] {
    const owner = constructorOf(type);
    const types: unknown = Reflect.getOwnMetadata('design:paramtypes', owner);
    if (types === undefined && owner.length > 0)
      throw this.#refuse(
        `${nameOf(type)} has a constructor that nothing is known of`,
        `put @Injectable() on ${nameOf(owner)} and compile with "emitDecoratorMetadata"`,
      );
    const declared = injectionsOf(owner);
    // TypeScript writes this metadata, an array with one value for each parameter.
    return ((types as readonly unknown[] | undefined) ?? []).map((written, index) => {
      const { token, optional = false, all = false } = declared.get(index) ?? {};
      if (token !== undefined) return { token, optional, all };
      const place = `parameter ${index + 1} of ${nameOf(type)}`;
      if (typeof written !== 'function' || written === Object || written === Function)
        throw this.#refuse(
          `${place} has no class as its type`,
          'import the class without "import type", or put @Inject(Class) before the parameter',
        );
      if (VALUES.has(written))
        throw this.#refuse(
          `${place} is a ${written.name}, of which there are many`,
          'give it as a member of a class of yours, or put @Inject(Class) before the parameter',
        );
      // A function in this metadata is a class.
      return { token: written as Token<unknown>, optional, all };
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

/** What TypeScript writes for the types of plain values. */
const VALUES: ReadonlySet<unknown> = new Set([String, Number, Boolean, BigInt, Symbol, Array, Promise]);

/** The class whose constructor makes a class's instances: one without a constructor of its own has that of the class it extends. */
function constructorOf(type: Token<unknown>): Token<unknown> {
  const parent: unknown = Object.getPrototypeOf(type);
  const own = type.length > 0 || Reflect.hasOwnMetadata('design:paramtypes', type);
  if (own || typeof parent !== 'function' || parent === Function.prototype) return type;
  // What a class extends is a class.
  return constructorOf(parent as Token<unknown>);
}

function isLifecycle(token: Token<unknown>, thing: unknown): thing is Lifecycle {
  if (typeof thing !== 'object' || thing === null) return false;
  if ([token, thing.constructor as Token<unknown>].some(isCalled)) return false;
  const { start, stop } = thing as { start?: unknown; stop?: unknown };
  return typeof start === 'function' || typeof stop === 'function';
}

/** Whether `start` and `stop` of a class's instances are endpoints, which are for callers. */
function isCalled(type: Token<unknown>): boolean {
  if (typeof type !== 'function') return false;
  if (contractOf(type) !== undefined) return true;
  const service = type as ServiceClass;
  return (
    isService(service) &&
    declarationOf(service).methods.some(({ property }) => property === 'start' || property === 'stop')
  );
}
