// TS1240: is not assignable to parameter of type '"the field needs a property of type null"'
import { Field } from '../../../decorators/field.js';

export class Wrong {
  @Field(1, 'google.protobuf.NullValue') none = '';
}
