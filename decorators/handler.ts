import 'reflect-metadata';

import type { Context } from '../src/core/context.js';
import { OctavoError } from '../src/core/error.js';
import type { Init, MessageType } from '../src/schema/message-type.js';
import type { MethodOptions, StreamKind } from '../src/schema/method.js';
import { factsOf, type ServiceClass } from '../src/schema/service-declaration.js';

/**
 * Makes a method an endpoint, `Greeter.Hello` for `hello` of `Greeter`.
 *
 * The types are given as values, since TypeScript's metadata loses them. A method with other types, or of another kind of stream, does not compile.
 */
export function Handler<
  Request extends object,
  Reply extends object,
  const Options extends MethodOptions = Record<never, never>,
>(
  request: MessageType<Request>,
  reply: MessageType<Reply>,
  options?: Options,
): <Target extends object, Name extends keyof Target & string>(
  prototype: Target,
  property: HandlerProblem<Target[Name], Request, Reply, KindOf<Options>> extends infer Problem extends string
    ? Problem
    : Name,
  descriptor: PropertyDescriptor,
) => void {
  return (prototype, property, descriptor) => {
    // A decorator's parameter is the property's name, which the compiler no longer knows here; a static one's prototype is the class.
    const name = property as string;
    const type = prototype.constructor as ServiceClass;
    if (typeof prototype === 'function' || typeof descriptor.value !== 'function')
      throw new OctavoError(
        'failed_precondition',
        `@Handler stands on "${name}", which is no method of an instance`,
      );
    if (request === undefined || reply === undefined)
      throw new OctavoError(
        'failed_precondition',
        `@Handler of ${type.name}.${name} got no class: two modules import each other; move the messages to one of their own`,
      );
    factsOf(type).handlers.push({ property: name, request, reply, options: options ?? {} });
  };
}

/** Which side is a stream, as options written in place say it. */
export type KindOf<Options> = Options extends { readonly stream: infer Kind extends StreamKind }
  ? Kind
  : 'unary';

/** What is wrong with a method, in words; `undefined` for nothing. */
export type HandlerProblem<Method, Request, Reply, Kind extends StreamKind> = Method extends (
  ...args: infer Args
) => infer Result
  ? RequestProblem<
      Args,
      Kind extends 'client' | 'bidi' ? AsyncIterable<Request> : Request
    > extends infer Problem extends string
    ? Problem
    : Kind extends 'server' | 'bidi'
      ? Result extends AsyncIterable<infer Item>
        ? ReplyProblem<Item, Reply>
        : 'the handler of this stream returns an AsyncIterable of the reply type'
      : Result extends Promise<infer Value>
        ? ReplyProblem<Value, Reply>
        : 'the handler returns a Promise of the reply type'
  : '@Handler stands on a method';

type RequestProblem<Args extends readonly unknown[], Request> = Args extends readonly []
  ? undefined
  : Same<Args[0], Request> extends true
    ? Args extends readonly [unknown]
      ? undefined
      : [Context] extends [Args[1]]
        ? undefined
        : "the handler's second parameter is the Context"
    : "the handler's first parameter is not what @Handler says: the request type, or an AsyncIterable of it";

type ReplyProblem<Given, Reply> =
  Same<Given, Reply> extends true
    ? undefined
    : Same<Given, Init<Reply>> extends true
      ? undefined
      : 'the handler does not return the reply type that @Handler names';

/** Whether each can stand for the other. `any` can stand for nothing. */
type Same<A, B> = 0 extends 1 & A ? false : [A] extends [B] ? ([B] extends [A] ? true : false) : false;
