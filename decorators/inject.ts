import 'reflect-metadata';

import { declareInjectable, declareInjection } from '../src/core/dependencies.js';
import type { Token } from '../src/core/provider.js';

type ParameterDecorator = (type: object, property: string | undefined, index: number) => void;

/** Lets the container make a class, with what its constructor asks for. `@Service` does so too. */
export function Injectable(): (type: Token<unknown>) => void {
  return (type) => declareInjectable(type);
}

/** Says what a parameter gets where its type does not: an interface, or a class that is imported for its type alone. */
export function Inject(token: Token<unknown>): ParameterDecorator {
  return (type, _, index) => declareInjection(type, index, { token });
}

/** Lets a parameter be `undefined` where nothing is registered for it. */
export function Optional(): ParameterDecorator {
  return (type, _, index) => declareInjection(type, index, { optional: true });
}

/** Gives a parameter everything that is registered under a token, as an array. */
export function InjectAll(token: Token<unknown>): ParameterDecorator {
  return (type, _, index) => declareInjection(type, index, { token, all: true });
}
