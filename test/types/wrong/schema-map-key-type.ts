// TS2345: Argument of type '"double"' is not assignable to parameter of type 'MapKeyName'
import { MapField } from '../../../decorators/field.js';

export class Wrong {
  @MapField(1, 'double', 'string') names = new Map<number, string>();
}
