import { unfit } from './fault.js';
import { enumName } from './proto-enum.js';
import { isFullName, isIdentifier } from './proto-name.js';
import type { EnumShape } from './shape.js';

const shapes = new WeakMap<object, EnumShape>();

/** The shape of an enum that `protoEnum` named; made at the first call. `where` is the field that uses it. */
export function enumShapeOf(values: object, where: string): EnumShape {
  let shape = shapes.get(values);
  if (shape === undefined) {
    shape = resolveEnum(values, where);
    shapes.set(values, shape);
  }
  return shape;
}

function resolveEnum(values: object, where: string): EnumShape {
  const name = enumName(values);
  if (name === undefined)
    throw unfit(where, 'its enum has no proto name; give it one: protoEnum("package.Name", values)');
  if (!isFullName(name)) throw unfit(where, `the enum's name "${name}" is no proto name`);
  const numbers = new Map<string, number>();
  const names = new Map<number, string>();
  for (const [key, value] of Object.entries(values)) {
    // A TypeScript enum also maps its numbers back to names.
    if (/^-?\d/.test(key)) continue;
    if (!isIdentifier(key)) throw unfit(where, `the enum ${name} has "${key}", which is no proto name`);
    if (!Number.isInteger(value) || value !== (value | 0))
      throw unfit(where, `${name}.${key} is ${String(value)}; the value of an enum is a 32-bit integer`);
    numbers.set(key, value);
    if (!names.has(value)) names.set(value, key);
  }
  if (!names.has(0))
    throw unfit(where, `the enum ${name} has no 0; proto3 needs one, such as ${name}.UNSPECIFIED`);
  return { name, values, numbers, names };
}
