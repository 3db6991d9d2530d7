// TS1240: @MapField needs a property that is a Map of string to boolean
import { MapField } from '../../../decorators/field.js';

export class Wrong {
  @MapField(1, 'string', 'bool') flags = new Map<string, number>();
}
