// TS2345: Argument of type '"int"' is not assignable to parameter of type 'FieldType'
import { Field } from '../../../decorators/field.js';

export class Wrong {
  @Field(1, 'int') n = 0;
}
