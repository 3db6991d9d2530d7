import { Fault, checkDepth } from './fault.js';
import type { MessageShape } from './shape.js';

/**
 * The most elements that one decode makes: items of lists, entries of maps and embedded messages, at whatever depth.
 *
 * Two bytes can be an element, and an embedded message costs more memory than an item: it counts as one, and one more for
 * each list, map and eight fields of its class.
 */
export const MAX_ELEMENTS = 1_000_000;

/** What is left of {@link MAX_ELEMENTS} in one decode, and how deep it is. */
export class Budget {
  #left = MAX_ELEMENTS;
  #depth = 0;

  /** Takes elements away. Throws a {@link Fault} where there are not so many left. */
  take(elements: number): void {
    this.#left -= elements;
    if (this.#left < 0) throw new Fault(`more than ${MAX_ELEMENTS} elements in one message`);
  }

  /** Begins an embedded message, which counts as so many elements. */
  enter(elements: number): void {
    checkDepth(++this.#depth);
    this.take(elements);
  }

  leave(): void {
    this.#depth--;
  }
}

/** How many elements an instance counts as. */
export function weightOf({ fields }: MessageShape): number {
  return 1 + fields.filter(({ label }) => label !== 'single').length + (fields.length >> 3);
}
