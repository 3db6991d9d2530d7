import { Fault, checkDepth } from './fault.js';
import type { MessageShape, ValueShape } from './shape.js';

/**
 * The most elements that one decode makes: items of lists, entries of maps and embedded messages, at whatever depth.
 *
 * Two bytes can be an element, and some cost more memory than others: `bytes` count as two, and an embedded message as one,
 * and one more for each list, map, field of `bytes` and eight fields of its class.
 */
export const MAX_ELEMENTS = 1_000_000;

/** What is left of {@link MAX_ELEMENTS} in one decode, and how deep it is. */
export class Budget {
  #left: number;
  #depth: number;

  constructor(elements = MAX_ELEMENTS, depth = 0) {
    this.#left = elements;
    this.#depth = depth;
  }

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
  const holders = fields.filter(({ label, value }) => label !== 'single' || costOf(value) > 1);
  return 1 + holders.length + (fields.length >> 3);
}

/** How many elements an item of a list or a value in a map counts as, beside the message that it may be. */
export function costOf(value: ValueShape): number {
  return value.kind === 'scalar' && value.name === 'bytes' ? 2 : 1;
}
