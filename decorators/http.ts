import 'reflect-metadata';

import { OctavoError } from '../src/core/error.js';
import type { HttpVerb } from '../src/schema/method.js';
import { factsOf, type ServiceClass } from '../src/schema/service-declaration.js';

/**
 * Gives an endpoint a REST route beside its own path: `@Http('GET', '/hello/:name')`. A method may have several.
 *
 * `:name` is a field of the request. The other fields come from the query of GET and DELETE, and from the JSON body of the other verbs.
 * Servers that speak no HTTP ignore it.
 */
export function Http(
  verb: HttpVerb,
  path: string,
): (prototype: object, property: string, descriptor: PropertyDescriptor) => void {
  return (prototype, property) => {
    if (typeof prototype === 'function')
      throw new OctavoError(
        'failed_precondition',
        `@Http stands on "${property}", which is no method of an instance`,
      );
    // The constructor of an instance's prototype is its class. Decorators run from the innermost out: what stands above is first.
    factsOf(prototype.constructor as ServiceClass).routes.unshift({ property, verb, path });
  };
}
