// TS1240: is not assignable to parameter of type '"the field needs a property of type the field's class"'
import { Field } from '../../../decorators/field.js';
import { Any } from '../../../src/schema/any.js';

class Other {
  name = '';
}

export class Wrong {
  @Field(1, Any.of()) content?: Other;
}
