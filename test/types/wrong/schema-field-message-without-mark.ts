// TS1240: the field may be absent: declare the property with
import { Field } from '../../../decorators/field.js';

class Inner {
  @Field(1, 'string') s = '';
}

export class Wrong {
  @Field(1, Inner) inner = new Inner();
}
