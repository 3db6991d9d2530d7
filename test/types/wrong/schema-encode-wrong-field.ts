// TS2322: Type 'number' is not assignable to type 'string'
import { Field, Repeated } from '../../../decorators/field.js';
import { Message } from '../../../decorators/message.js';
import { schemaOf } from '../../../src/schema/schema.js';

@Message('x.Right')
class Right {
  @Field(1, 'string') name = '';
  @Repeated(2, () => Right) others: Right[] = [];
}

schemaOf(Right).encode({ name: 5 });
