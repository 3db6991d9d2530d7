// TS2353: 'nmae' does not exist
import { Field, Repeated } from '../../../decorators/field.js';
import { Message } from '../../../decorators/message.js';
import { schemaOf } from '../../../src/schema/schema.js';

@Message('x.Right')
class Right {
  @Field(1, 'string') name = '';
  @Repeated(2, () => Right) others: Right[] = [];
}

schemaOf(Right).encode({ nmae: '' });
