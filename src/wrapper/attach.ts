import { OctavoError } from '../core/error.js';
import type { Place, Wrapper } from './wrapper.js';

/** Asks wrappers whether they may stand at a place. Throws `failed_precondition` with what the first says that may not. */
export function attach(wrappers: readonly Wrapper[], place: Place): void {
  for (const { unfit } of wrappers) {
    const why = unfit?.(place);
    if (why !== undefined) throw new OctavoError('failed_precondition', `${place.name}: ${why}`);
  }
}
