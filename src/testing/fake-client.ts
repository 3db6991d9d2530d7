import type { CallOptions } from '../client/client.js';
import { contractOf } from '../client/proxy.js';
import { OctavoError } from '../core/error.js';

/** A call that a fake client got. */
export interface FakeCall {
  readonly request: unknown;
  readonly options: CallOptions | undefined;
}

/** A fake, and what was asked of it, by method. */
export type FakeClient<T> = T & { readonly calls: { readonly [Name in keyof T]: readonly FakeCall[] } };

/**
 * A client that answers by these functions: `fakeClient(AuditClient, { record: async () => ({}) })`.
 *
 * A method that is not among them throws `unimplemented` and names itself.
 */
export function fakeClient<T extends object>(
  type: new (...args: never[]) => T,
  methods: Partial<T>,
): FakeClient<T> {
  const given: ReadonlyMap<PropertyKey, unknown> = new Map(Object.entries(methods));
  const calls = new Map<PropertyKey, FakeCall[]>();
  const callsOf = (name: PropertyKey): FakeCall[] => {
    const known = calls.get(name) ?? [];
    calls.set(name, known);
    return known;
  };
  const recorded = new Proxy({}, { get: (_, name) => callsOf(name) });
  const service = contractOf(type)?.name ?? type.name;
  const fake = new Proxy(Object.create(type.prototype as object) as object, {
    get(target, name, receiver) {
      if (name === 'calls') return recorded;
      // Whatever asks for these asks whether it is a promise, how to print it, or for its lifecycle.
      if (typeof name === 'symbol' || ABSENT.has(name))
        return name === 'constructor' ? type : Reflect.get(target, name, receiver) && undefined;
      return (request: unknown, options?: CallOptions) => {
        callsOf(name).push({ request, options });
        const method = given.get(name);
        if (typeof method !== 'function')
          throw new OctavoError(
            'unimplemented',
            `the fake of ${service} has no "${name}": give fakeClient one`,
          );
        return (method as (request: unknown, options?: CallOptions) => unknown)(request, options);
      };
    },
  });
  // The proxy has every method of the client, and `calls`.
  return fake as FakeClient<T>;
}

const ABSENT: ReadonlySet<string> = new Set(['then', 'toJSON', 'start', 'stop', 'constructor', 'inspect']);
