import 'reflect-metadata';

import { factsOf, type ServiceClass } from '../src/schema/service-declaration.js';
import type { WrapperLike } from '../src/wrapper/wrapper.js';

/**
 * Puts wrappers around every handler and subscriber of a class, or around one method of it, the first one outermost. On a class of
 * `ClientOf` they stand around its calls.
 *
 * A wrapper is a function, or a class with `handle(call, next)` that can have things injected.
 */
export function Wrap(
  ...wrappers: readonly WrapperLike[]
): (target: object, property?: string, descriptor?: PropertyDescriptor) => void {
  return (target, property) => {
    // On a class the target is the class, on a method the prototype.
    const type = (property === undefined ? target : target.constructor) as ServiceClass;
    // Decorators run from the innermost out: what stands above is outer.
    factsOf(type).wraps.unshift({ property, wrappers });
  };
}
