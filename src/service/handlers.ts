import { OctavoError } from '../core/error.js';
import type { Resolve } from '../core/provider.js';
import { accessOf } from '../schema/access.js';
import type { ServiceDeclaration, SubscribeFacts } from '../schema/service-declaration.js';
import type { Endpoint, Subscription, SubscriptionOptions } from '../server/server.js';
import { wrapperOf } from '../wrapper/wrapper-class.js';
import type { Wrapper, WrapperLike } from '../wrapper/wrapper.js';

type Method = (this: object, ...args: readonly unknown[]) => unknown;

/**
 * What a service class declares, bound to an instance of it.
 *
 * @param innermost stand around each handler, inside of its own wrappers
 */
export function handlersOf(
  declaration: ServiceDeclaration,
  instance: object,
  resolve: Resolve,
  innermost: readonly Wrapper[] = [],
): { endpoints: readonly Endpoint[]; subscriptions: readonly Subscription[] } {
  const wrappers = (property: string): readonly Wrapper[] =>
    // Those of the class stand outside those of the method.
    [undefined, property].flatMap((place) =>
      declaration.wraps
        .filter((wrap) => wrap.property === place)
        .flatMap((wrap) => wrap.wrappers.map((each) => wrapperOf(each as WrapperLike, resolve))),
    );
  const endpoints = declaration.methods.map((method): Endpoint => {
    const run = methodOf(declaration, instance, method.property);
    return {
      method,
      handler: (request, context) => run.call(instance, request, context),
      wrappers: [...wrappers(method.property), ...innermost],
    };
  });
  // Only `@Subscribe` records these, with options of this type.
  const facts = declaration.subscriptions as readonly SubscribeFacts<SubscriptionOptions>[];
  const subscriptions = facts.map(({ property, topic, type, options }): Subscription => {
    const run = methodOf(declaration, instance, property);
    return {
      topic,
      type,
      options,
      name: `${declaration.endpoint}.${property.charAt(0).toUpperCase()}${property.slice(1)}`,
      handler: (event, context) => run.call(instance, event, context),
      wrappers: wrappers(property),
      access: accessOf(declaration.accesses, property),
    };
  });
  return { endpoints, subscriptions };
}

function methodOf({ type, endpoint }: ServiceDeclaration, instance: object, property: string): Method {
  // Whatever stands under the name is looked at next.
  const method = (instance as Readonly<Record<string, unknown>>)[property];
  if (typeof method === 'function') return method as Method;
  throw new OctavoError(
    'failed_precondition',
    `class ${type.name} has no method "${property}", which its contract ${endpoint} declares: write it`,
  );
}
