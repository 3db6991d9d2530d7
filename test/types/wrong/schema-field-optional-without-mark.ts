// TS1240: the field may be absent: declare the property with
import { Field } from '../../../decorators/field.js';

export class Wrong {
  @Field(1, 'int32', { optional: true }) n = 0;
}
