// TS2345: Argument of type 'string' is not assignable to parameter of type
import { Any } from '../../../src/schema/any.js';

export const wrong = Any.of('string');
