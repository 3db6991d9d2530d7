import { scalars } from './scalar.js';
import type { WireType } from './scalar.js';
import type { ValueShape } from './shape.js';

/** How a value of this type is laid out. */
export function wireOf(value: ValueShape): WireType {
  switch (value.kind) {
    case 'scalar':
      return scalars[value.name].wire;
    case 'message':
    case 'wellKnown':
      return 2;
    case 'enum':
    case 'null':
      return 0;
  }
}
