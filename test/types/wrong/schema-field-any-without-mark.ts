// TS1240: is not assignable to parameter of type '"the field may be absent: declare the property with \"?\""'
import { Field } from '../../../decorators/field.js';
import { Any } from '../../../src/schema/any.js';

export class Wrong {
  @Field(1, Any) content = new Any();
}
