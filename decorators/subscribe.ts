import 'reflect-metadata';

import type { EventContext } from '../src/core/context.js';
import { OctavoError } from '../src/core/error.js';
import type { MessageType } from '../src/schema/message-type.js';
import { factsOf, type ServiceClass } from '../src/schema/service-declaration.js';
import type { Topic } from '../src/schema/topic.js';
import type { SubscriptionOptions } from '../src/server/server.js';

type SubscribeDecorator<Event extends object> = <Target extends object, Name extends keyof Target & string>(
  prototype: Target,
  property: SubscriberProblem<Target[Name], Event> extends infer Problem extends string ? Problem : Name,
  descriptor: PropertyDescriptor,
) => void;

/** What is wrong with a method, in words; `undefined` for nothing. */
export type SubscriberProblem<Method, Event> = Method extends (...args: infer Args) => infer Result
  ? [Args extends readonly [] ? Event : Args[0], Event] extends [
      Event,
      Args extends readonly [] ? Event : Args[0],
    ]
    ? Args extends readonly [] | readonly [unknown]
      ? ResultProblem<Result>
      : [EventContext] extends [Args[1]]
        ? ResultProblem<Result>
        : "the subscriber's second parameter is the EventContext"
    : "the subscriber's first parameter is not the event type that @Subscribe names"
  : '@Subscribe stands on a method';

type ResultProblem<Result> = [Result] extends [void | Promise<void>]
  ? undefined
  : 'the subscriber returns nothing, or a Promise of nothing';

/** Makes a method a subscriber of a typed topic. */
export function Subscribe<Event extends object>(
  topic: Topic<Event>,
  options?: SubscriptionOptions,
): SubscribeDecorator<Event>;
/** Makes a method a subscriber of a topic whose events are of this class. */
export function Subscribe<Event extends object>(
  topic: string,
  type: MessageType<Event>,
  options?: SubscriptionOptions,
): SubscribeDecorator<Event>;
export function Subscribe(
  first: Topic | string,
  second?: MessageType | SubscriptionOptions,
  third?: SubscriptionOptions,
): (prototype: object, property: string) => void {
  return (prototype, property) => {
    // The constructor of an instance's prototype is its class.
    const owner = prototype.constructor as ServiceClass;
    const topic = typeof first === 'string' ? first : first?.name;
    const type = typeof second === 'function' ? second : typeof first === 'string' ? undefined : first?.type;
    if (topic === undefined || type === undefined)
      throw new OctavoError(
        'failed_precondition',
        `@Subscribe of ${owner.name}.${property} got no class: two modules import each other; move the messages to one of their own`,
      );
    // The overloads say which is which.
    const options = (typeof first === 'string' ? third : second) as SubscriptionOptions | undefined;
    factsOf(owner).subscriptions.push({ property, topic, type, options: options ?? {} });
  };
}
