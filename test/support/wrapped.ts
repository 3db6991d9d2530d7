/** The same thing seen through another: whatever is asked of it is asked of the one inside. An implementation must not mind. */
export function wrapped<T extends object>(inner: T): T {
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      // A method is called on the one inside, whose private members it needs.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
