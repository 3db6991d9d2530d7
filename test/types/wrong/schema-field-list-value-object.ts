// TS1240: is not assignable to parameter of type '"the field needs a property of type JsonValue[]"'
import { Field } from '../../../decorators/field.js';
import type { JsonObject } from '../../../src/schema/json-value.js';

export class Wrong {
  @Field(1, 'google.protobuf.ListValue') data?: JsonObject;
}
