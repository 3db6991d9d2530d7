// TS1240: @MapField needs a property that is a Map of bigint to string
import { MapField } from '../../../decorators/field.js';

export class Wrong {
  @MapField(1, 'int64', 'string') names = new Map<number, string>();
}
