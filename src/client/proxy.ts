import { OctavoError } from '../core/error.js';
import type { Resolve, Token } from '../core/provider.js';
import type { Init } from '../schema/message-type.js';
import type { Method } from '../schema/method.js';
import { declarationOf, wrapsOf, type ServiceClass } from '../schema/service-declaration.js';
import type { Topic } from '../schema/topic.js';
import { wrapperOf } from '../wrapper/wrapper-class.js';
import type { WrapperLike } from '../wrapper/wrapper.js';
import type { CallOptions, Client, ClientStream, PublishCallOptions } from './client.js';
import { WrappedClient } from './wrapped-client.js';

/** The items of a stream of requests. */
export type Items<T> = AsyncIterable<T> | Iterable<T>;

/** A handler's method as its callers see it. */
export type ClientMethod<F> = F extends (...args: infer Args) => infer Result
  ? [Result] extends [AsyncIterable<infer Item>]
    ? (request: Given<Args>, options?: CallOptions) => AsyncIterable<Item>
    : [Result] extends [Promise<infer Reply extends object>]
      ? (request: Given<Args>, options?: CallOptions) => Promise<Reply>
      : never
  : never;

/** What may be given for the first parameter of a handler. */
type Given<Args extends readonly unknown[]> = Args extends readonly []
  ? Readonly<Record<never, never>>
  : [Args[0]] extends [AsyncIterable<infer Item>]
    ? Items<Init<Item>>
    : Init<Args[0]>;

/** The methods of a service that look like endpoints: those that give a promise of an object, or an async iterable. */
export type ClientShape<T> = {
  readonly [Name in keyof T as ClientMethod<T[Name]> extends never ? never : Name]: ClientMethod<T[Name]>;
};

/** A class whose instances call a service. */
export interface ClientClass<T> {
  new (client: Client): ClientShape<T>;
}

const CONTRACT = Symbol.for('octavo.contract');
const TOPIC = Symbol.for('octavo.topic');

/**
 * The base of a typed client: `class GreeterClient extends ClientOf(Greeter) {}` is type, value and injection token in one.
 *
 * A stream is opened when its first item is asked for, and closed when the loop is left. A method that is no endpoint throws `unimplemented`.
 */
export function ClientOf<T extends object>(service: ServiceClass<T>): ClientClass<T> {
  if (service === undefined)
    throw new OctavoError(
      'failed_precondition',
      'ClientOf got no class: two modules import each other; give both a contract class in a module of its own',
    );
  class ServiceClient extends Calls {
    static readonly [CONTRACT] = service;
    constructor(client: Client) {
      super(wrapped(new.target, client), service, ServiceClient.prototype);
    }
  }
  // The methods are put on the prototype when the first instance is made, as decorators may not have run before.
  return ServiceClient as unknown as ClientClass<T>;
}

/** The service class that a client class calls; `undefined` for any other class. */
export function contractOf(type: object): ServiceClass | undefined {
  // Only `ClientOf` puts anything under this symbol.
  return (type as { [CONTRACT]?: ServiceClass })[CONTRACT];
}

/** A class whose instances publish to one topic. */
export interface PublisherClass<T extends object> {
  new (client: Client): {
    /** Resolves when the broker has the event. */
    publish(event: Init<T>, options?: PublishCallOptions): Promise<void>;
  };
}

/** The base of a typed publisher: `class GreetingsPublisher extends PublisherOf(Greetings) {}`. */
export function PublisherOf<T extends object>(topic: Topic<T>): PublisherClass<T> {
  if (topic === undefined)
    throw new OctavoError(
      'failed_precondition',
      'PublisherOf got no topic: two modules import each other; move it to one of its own',
    );
  return class TopicPublisher {
    static readonly [TOPIC] = topic;
    readonly #client: Client;
    constructor(client: Client) {
      this.#client = wrapped(new.target, client);
    }
    publish(event: Init<T>, options?: PublishCallOptions): Promise<void> {
      return this.#client.publish({ topic: topic.name, type: topic.type, body: event }, options);
    }
  };
}

/** The topic that a publisher class publishes to; `undefined` for any other class. */
export function topicOf(type: object): Topic | undefined {
  // As above: only `PublisherOf` puts anything there.
  return (type as { [TOPIC]?: Topic })[TOPIC];
}

/**
 * A client inside the wrappers that stand on the class of a typed one.
 *
 * @param resolve makes those that are classes; without it they are refused
 * @throws `failed_precondition` for `@Wrap` where it has no meaning
 */
export function wrapped(type: Token<unknown>, client: Client, resolve: Resolve = byHand): Client {
  // Any class may be asked for its facts.
  const wraps = wrapsOf(type as ServiceClass);
  if (wraps.length === 0 || (client instanceof WrappedClient && client.of === type)) return client;
  const refuse = (what: string): never => {
    throw new OctavoError('failed_precondition', `${type.name}: ${what}`);
  };
  const wrappers = wraps.flatMap(({ property, wrappers: all }) => {
    if (property !== undefined)
      refuse(`@Wrap stands on "${property}": have it on the class, or give wrappers with one call`);
    // Only `@Wrap` records these.
    return all.map((each) => wrapperOf(each as WrapperLike, resolve));
  });
  return new WrappedClient(client, type, wrappers, topicOf(type) === undefined ? 'call' : 'publish');
}

const byHand: Resolve = ({ name }) => {
  throw new OctavoError(
    'failed_precondition',
    `a client that is made by hand has nothing injected, which its wrapper ${name} wants: have it injected, or ask resolve() of a service for it`,
  );
};

const equipped = new WeakSet<object>();

/** What every typed client is underneath. */
class Calls {
  readonly #client: Client;

  constructor(client: Client, service: ServiceClass, prototype: object) {
    this.#client = client;
    equip(prototype, service);
  }

  /** The client behind a typed one, for the methods made below. */
  static clientOf(calls: Calls): Client {
    return calls.#client;
  }
}

/** Gives a prototype one method for each endpoint, and one that says so for each method that is none. */
function equip(prototype: object, service: ServiceClass): void {
  if (equipped.has(prototype)) return;
  equipped.add(prototype);
  const { name, methods } = declarationOf(service);
  for (const method of methods) define(prototype, method.property, caller(name, method));
  for (const property of Object.getOwnPropertyNames(service.prototype))
    if (property !== 'constructor' && !Object.hasOwn(prototype, property))
      define(prototype, property, () => {
        throw new OctavoError(
          'unimplemented',
          `${service.name}.${property} is no endpoint: put @Handler on it`,
        );
      });
}

function define(prototype: object, property: string, value: (...args: never[]) => unknown): void {
  Object.defineProperty(prototype, property, { value, configurable: true, writable: true });
}

type Caller = (this: Calls, request: unknown, options?: CallOptions) => unknown;

function caller(service: string, method: Method): Caller {
  const { endpoint } = method;
  if (method.kind === 'unary')
    return function (body, options) {
      return Calls.clientOf(this).call({ service, endpoint, body, method }, options);
    };
  const { kind } = method;
  if (kind === 'client')
    return function (body, options) {
      return onlyReply(
        Calls.clientOf(this).stream({ service, endpoint, kind, body, method }, options),
        endpoint,
      );
    };
  return function (body, options) {
    const client = Calls.clientOf(this);
    return {
      [Symbol.asyncIterator]: () =>
        new Replies(() => client.stream({ service, endpoint, kind, body, method }, options)),
    };
  };
}

/** The reply of a call whose request alone is a stream. */
async function onlyReply(stream: ClientStream, endpoint: string): Promise<unknown> {
  try {
    const reply = await stream.receive();
    if (reply === undefined) throw new OctavoError('internal', `${endpoint} ended without a reply`);
    if ((await stream.receive()) !== undefined)
      throw new OctavoError('internal', `${endpoint} gave a second reply`);
    return reply;
  } finally {
    await stream.close();
  }
}

/** The items of a stream that is opened when the first one is asked for. */
class Replies implements AsyncIterator<unknown> {
  readonly #open: () => ClientStream;
  #stream: ClientStream | undefined;
  #over = false;

  constructor(open: () => ClientStream) {
    this.#open = open;
  }

  async next(): Promise<IteratorResult<unknown>> {
    if (this.#over) return { done: true, value: undefined };
    try {
      const value = await (this.#stream ??= this.#open()).receive();
      if (value !== undefined) return { done: false, value };
    } catch (reason) {
      this.#over = true;
      throw reason;
    }
    return this.return();
  }

  async return(): Promise<IteratorResult<unknown>> {
    if (!this.#over) {
      this.#over = true;
      await this.#stream?.close();
    }
    return { done: true, value: undefined };
  }
}
