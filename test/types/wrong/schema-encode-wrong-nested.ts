// TS2322: Type 'string' is not assignable to type
import { Field, Repeated } from '../../../decorators/field.js';
import { Message } from '../../../decorators/message.js';
import { schemaOf } from '../../../src/schema/schema.js';

@Message('x.Right')
class Right {
  @Field(1, 'string') name = '';
  @Repeated(2, () => Right) others: Right[] = [];
}

schemaOf(Right).encode({ others: [{ others: 'x' }] });
