import 'reflect-metadata';

import type { Context } from '../src/core/context.js';
import { factsOf, type ServiceClass, type ServiceFacts } from '../src/schema/service-declaration.js';
import type { Service as ServiceContract } from '../src/service/service.js';

/** A running service, as `createService` gives it. The decorator of the same name makes a class one. */
export type Service = ServiceContract;

/**
 * A contract as a class implements it: `class GreeterServer implements HandlersOf<Greeter>`.
 *
 * Its methods may take the {@link Context}, which callers have no use for, whether or not the contract's do.
 */
export type HandlersOf<T> = {
  [Name in keyof T]: T[Name] extends (request: infer Request, ...more: never[]) => infer Result
    ? (request: Request, context: Context) => Result
    : T[Name];
};

/**
 * Makes a class a service: its `@Handler` methods are endpoints, its `@Subscribe` methods subscribers.
 *
 * Give `endpoint` where class names are minified, as they go on the wire.
 */
export function Service(facts?: ServiceFacts): (type: ServiceClass) => void;
/** Makes a class the implementation of a contract: it has the contract's name and endpoints, and must have its methods. */
export function Service<T extends object>(
  contract: ServiceClass<T>,
  facts?: ServiceFacts,
): (type: ServiceClass<HandlersOf<T>>) => void;
export function Service(
  first: ServiceClass | ServiceFacts = {},
  second: ServiceFacts = {},
): (type: ServiceClass) => void {
  return (type) => {
    const facts = factsOf(type);
    if (typeof first === 'function') {
      facts.contract = first;
      facts.service = second;
    } else facts.service = first;
  };
}
