// TS2345: Argument of type 'typeof Inner' is not assignable to parameter of type 'FieldType'
import { Field } from '../../../decorators/field.js';

class Inner {
  constructor(readonly s: string) {}
}

export class Wrong {
  @Field(1, Inner) inner?: Inner;
}
