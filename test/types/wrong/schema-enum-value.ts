// TS2322: Type '2' is not assignable to type 'EnumValue<
import { protoEnum } from '../../../src/schema/proto-enum.js';
import type { EnumValue } from '../../../src/schema/proto-enum.js';

const Color = protoEnum('x.Color', { RED: 0, GREEN: 1 });
export const color: EnumValue<typeof Color> = 2;
