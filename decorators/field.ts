import 'reflect-metadata';

import { declareField, declareOneOf } from '../src/schema/declaration.js';
import type { FieldDeclaration } from '../src/schema/declaration.js';
import type {
  Accepted,
  Called,
  Decoded,
  FieldType,
  HasPresence,
  Holds,
  MapKeyName,
  ScalarValues,
} from '../src/schema/field-type.js';

export interface FieldOptions<Optional extends boolean = boolean> {
  /** Tells an absent value from zero, as `optional` does in proto3. The property is `name?: T`. @defaultValue `false` */
  readonly optional?: Optional;
}

/**
 * Declares a field with its id and type: a scalar's name, an enum of `protoEnum`, a message class (or `() => Class`, where
 * the class comes later or imports this one), or the full name of a well-known type.
 *
 * Its name in JSON is the property's, in proto its snake_case. A property of another type does not compile.
 */
export function Field<const Type extends FieldType, Optional extends boolean = false>(
  id: number,
  type: Type,
  { optional = false as Optional }: FieldOptions<Optional> = {}, // The compiler does not see that the default is the type's.
): <Target extends object, Name extends keyof Target & string>(
  prototype: Target,
  property: SingleProblem<Target[Name], Type, Optional> extends infer Problem extends string ? Problem : Name,
) => void {
  return record({ id, label: 'single', type, optional });
}

/** Declares a field that is a list. The property is `name: T[] = []`; numbers are packed. */
export function Repeated<const Type extends FieldType>(
  id: number,
  type: Type,
): <Target extends object, Name extends keyof Target & string>(
  prototype: Target,
  property: Holds<Target[Name], Decoded<Type>[], Accepted<Type>[]> extends true
    ? Name
    : `@Repeated needs a property that is an array of ${Called<Decoded<Type>>}`,
) => void {
  return record({ id, label: 'repeated', type, optional: false });
}

/** Declares a field that is a map. The property is `name = new Map<K, V>()`; 64-bit keys are `bigint`. */
export function MapField<const Key extends MapKeyName, const Type extends FieldType>(
  id: number,
  key: Key,
  type: Type,
): <Target extends object, Name extends keyof Target & string>(
  prototype: Target,
  property: Holds<
    Target[Name],
    Map<ScalarValues[Key], Decoded<Type>>,
    Map<ScalarValues[Key], Accepted<Type>>
  > extends true
    ? Name
    : `@MapField needs a property that is a Map of ${Called<ScalarValues[Key]>} to ${Called<Decoded<Type>>}`,
) => void {
  return record({ id, label: 'map', key, type, optional: false });
}

/** Puts a `@Field` into a oneof: of its members at most one is set. The property is `name?: T`. */
export function OneOf(
  oneof: string,
): <Target extends object, Name extends keyof Target & string>(
  prototype: Target,
  property: undefined extends Target[Name] ? Name : 'a member of a oneof may be absent: declare it with "?"',
) => void {
  // A decorator's parameter is the property's name, which the compiler no longer knows here.
  return (prototype, property) => declareOneOf(prototype, property as string, oneof);
}

type SingleProblem<Property, Type, Optional> =
  Holds<Exclude<Property, undefined>, Decoded<Type>, Accepted<Type>> extends true
    ? [Optional, HasPresence<Type>, undefined extends Property ? true : false] extends
        [true, boolean, false] | [boolean, true, false]
      ? 'the field may be absent: declare the property with "?"'
      : undefined
    : `the field needs a property of type ${Called<Decoded<Type>>}`;

function record(field: Omit<FieldDeclaration, 'property'>): (prototype: object, property: string) => void {
  return (prototype, property) => declareField(prototype, { ...field, property });
}
