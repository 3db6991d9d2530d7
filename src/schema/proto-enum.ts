/** The names of an enum and their numbers: a plain object, or a TypeScript numeric enum. */
export type EnumObject = Readonly<Record<string, number | string>>;

/** The numbers of an enum as a type: `type ColorValue = EnumValue<typeof Color>`. */
export type EnumValue<Values> = Extract<Values[keyof Values], number>;

const names = new WeakMap<object, string>();

/**
 * Gives an enum its full proto name, and returns the same object: `const Color = protoEnum('greeter.Color', { RED: 0, GREEN: 1 })`.
 *
 * A TypeScript numeric enum may be named in place: `protoEnum('greeter.Color', Color)`. What is wrong with the values
 * (none is 0, not 32-bit integers) shows when the first schema that uses them is built.
 */
export function protoEnum<const Values extends EnumObject>(name: string, values: Values): Values {
  names.set(values, name);
  return values;
}

/** The full name that {@link protoEnum} gave. */
export function enumName(values: object): string | undefined {
  return names.get(values);
}
