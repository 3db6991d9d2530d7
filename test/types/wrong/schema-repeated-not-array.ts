// TS1240: @Repeated needs a property that is an array of string
import { Repeated } from '../../../decorators/field.js';

export class Wrong {
  @Repeated(1, 'string') tags = '';
}
