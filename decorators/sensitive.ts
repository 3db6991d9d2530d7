import 'reflect-metadata';

import { declareSensitive } from '../src/schema/declaration.js';

/** Keeps a field out of logs: wherever a message is shown, `[sensitive]` stands in its place. It travels as it is. */
export function Sensitive(): (prototype: object, property: string) => void {
  return declareSensitive;
}
