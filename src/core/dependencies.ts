import type { Token } from './provider.js';

/** What one parameter of a constructor asks for, where it says more than its type. */
export interface Injection {
  readonly token?: Token<unknown>;
  /** `undefined` is fine where nothing is registered. */
  readonly optional?: boolean;
  /** All that are registered under the token, as an array. */
  readonly all?: boolean;
}

const parameters = new WeakMap<object, Map<number, Injection>>();
const injectable = new WeakSet<object>();

/** Records what a parameter of a class's constructor asks for. */
export function declareInjection(type: object, index: number, injection: Injection): void {
  const all = parameters.get(type) ?? new Map<number, Injection>();
  parameters.set(type, all.set(index, { ...all.get(index), ...injection }));
}

/** Records that a container may make a class. */
export function declareInjectable(type: object): void {
  injectable.add(type);
}

/** Whether `@Injectable()` stands on this class itself. */
export function isInjectable(type: object): boolean {
  return injectable.has(type);
}

/** What parameters of a class's constructor ask for, by index. */
export function injectionsOf(type: object): ReadonlyMap<number, Injection> {
  return parameters.get(type) ?? new Map();
}
