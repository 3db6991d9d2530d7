// TS2739: Type 'Other' is missing the following properties from type 'Another'
import { Any } from '../../../src/schema/any.js';

class Other {
  name = '';
}

class Another {
  count = 0;
  size = 0;
}

export const wrong: Another = new Any().unpack(Other);
