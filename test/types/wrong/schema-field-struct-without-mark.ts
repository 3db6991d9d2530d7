// TS1240: is not assignable to parameter of type '"the field may be absent: declare the property with \"?\""'
import { Field } from '../../../decorators/field.js';
import type { JsonObject } from '../../../src/schema/json-value.js';

export class Wrong {
  @Field(1, 'google.protobuf.Struct') data: JsonObject = {};
}
