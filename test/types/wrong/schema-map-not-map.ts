// TS1240: @MapField needs a property that is a Map of string to number
import { MapField } from '../../../decorators/field.js';

export class Wrong {
  @MapField(1, 'string', 'int32') counts: Record<string, number> = {};
}
