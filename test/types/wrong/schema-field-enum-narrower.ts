// TS1240: is not assignable to parameter of type '"the field needs a property of type number"'
import { Field } from '../../../decorators/field.js';
import { protoEnum } from '../../../src/schema/proto-enum.js';

const Color = protoEnum('x.Color', { RED: 0, GREEN: 1 });

export class Wrong {
  @Field(1, Color) color: 0 = 0;
}
