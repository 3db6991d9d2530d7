// TS2322: Type 'number' is not assignable to type 'string'
import { Any } from '../../../src/schema/any.js';

class Other {
  name = '';
}

export const wrong = Any.pack({ name: 1 }, Other);
