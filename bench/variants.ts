import { floor } from './floor.js';
import { frames } from './frames.js';
import { octavoHttp, octavoMemory } from './octavo.js';
import { octavoTcp } from './tcp.js';
import type { Variant } from './variant.js';

/** What is measured, the floor first. */
export const variants: readonly Variant[] = [floor, octavoHttp, octavoMemory, frames, octavoTcp];
