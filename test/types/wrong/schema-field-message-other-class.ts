// TS1240: is not assignable to parameter of type '"the field needs a property of type the field's class"'
import { Field } from '../../../decorators/field.js';

class Inner {
  @Field(1, 'string') s = '';
}

class Other {
  @Field(1, 'int32') n = 0;
}

export class Wrong {
  @Field(1, () => Inner) inner?: Other;
}
