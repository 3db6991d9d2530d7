import { floor } from './floor.js';
import { octavoHttp, octavoMemory } from './octavo.js';
import type { Variant } from './variant.js';

/** What is measured, the floor first. */
export const variants: readonly Variant[] = [floor, octavoHttp, octavoMemory];
