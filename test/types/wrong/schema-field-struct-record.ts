// TS1240: is not assignable to parameter of type '"the field needs a property of type JsonObject"'
import { Field } from '../../../decorators/field.js';

export class Wrong {
  @Field(1, 'google.protobuf.Struct') data?: Record<string, unknown>;
}
