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

type Method = (request: unknown, options?: CallOptions) => unknown;

/**
 * A client that answers by these functions: `fakeClient(AuditClient, { record: async () => ({}) })`.
 *
 * A method that is not among them throws `unimplemented` and names itself.
 */
export function fakeClient<T extends object>(
  type: new (...args: never[]) => T,
  methods: Partial<T>,
): FakeClient<T> {
  const contract = contractOf(type);
  const given: ReadonlyMap<string, unknown> = new Map(Object.entries(methods));
  const calls: Record<string, FakeCall[]> = {};
  const fake = Object.create(type.prototype as object) as object;
  Object.defineProperty(fake, 'calls', { value: calls });
  for (const name of [...given.keys(), ...methodsOf(type), ...(contract ? methodsOf(contract) : [])]) {
    const made: FakeCall[] = [];
    calls[name] = made;
    const method = given.get(name) ?? missing(contract?.name ?? type.name, name);
    const value: Method = (request, options) => {
      made.push({ request, options });
      // A member of a client is a function.
      return (method as Method)(request, options);
    };
    Object.defineProperty(fake, name, { value, configurable: true });
  }
  // It has every method of the client, and `calls`.
  return fake as FakeClient<T>;
}

function missing(service: string, name: string): Method {
  return () => {
    throw new OctavoError('unimplemented', `the fake of ${service} has no "${name}": give fakeClient one`);
  };
}

/** The names of the methods of a class, those of the classes that it extends among them. */
function methodsOf(type: { readonly prototype: unknown }): readonly string[] {
  const names: string[] = [];
  for (
    let place = type.prototype as object;
    place !== Object.prototype;
    place = Object.getPrototypeOf(place) as object
  )
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(place)))
      if (name !== 'constructor' && typeof value === 'function') names.push(name);
  return names;
}
