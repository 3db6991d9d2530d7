// TS1240: a member of a oneof may be absent: declare it with
import { Field, OneOf } from '../../../decorators/field.js';

export class Wrong {
  @OneOf('contact') @Field(1, 'string') email = '';
}
