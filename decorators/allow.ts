import 'reflect-metadata';

import { OctavoError } from '../src/core/error.js';
import type { Access } from '../src/schema/access.js';
import { factsOf, type ServiceClass } from '../src/schema/service-declaration.js';

type AccessDecorator = (target: object, property?: string, descriptor?: PropertyDescriptor) => void;

/**
 * Lets only callers with one of these roles in: to a method, or to every method of a class that says nothing else.
 *
 * A wrapper such as `jwt` finds out who calls; where there is none, the start fails.
 */
export function Allow(...roles: readonly [string, ...string[]]): AccessDecorator {
  return record('@Allow', roles);
}

/** Lets everybody in, without a token: to a method, or to every method of a class that says nothing else. */
export function Public(): AccessDecorator {
  return record('@Public', 'public');
}

function record(name: string, access: Access): AccessDecorator {
  return (target, property) => {
    const refuse = (what: string): never => {
      throw new OctavoError('failed_precondition', `${name} ${what}`);
    };
    // On a class the target is the class, on a method the prototype.
    const type = (property === undefined ? target : target.constructor) as ServiceClass;
    if (typeof target === 'function' && property !== undefined)
      refuse(`stands on "${property}", which is no method of an instance`);
    if (access.length === 0) refuse('names no role: name one, or use @Public()');
    const { accesses } = factsOf(type);
    if (accesses.some((each) => each.property === property))
      refuse(
        `stands on ${type.name}${property === undefined ? '' : `.${property}`}, of which another one says who may call it: keep one, with all roles`,
      );
    accesses.push({ property, access });
  };
}
