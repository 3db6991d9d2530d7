import { OctavoError } from '../../core/error.js';

/** The items of an iterable of either kind. Anything else is an error that says what is wanted. */
export function iterate(items: unknown): AsyncIterator<unknown> {
  if (typeof items === 'object' && items !== null) {
    // Whether it is one was just looked at.
    if (Symbol.asyncIterator in items) return (items as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in items) return fromSync((items as Iterable<unknown>)[Symbol.iterator]());
  }
  throw new OctavoError(
    'invalid_argument',
    'a stream of requests is an iterable: give an array or an async generator',
  );
}

function fromSync(items: Iterator<unknown>): AsyncIterator<unknown> {
  return {
    next: async () => items.next(),
    return: async () => items.return?.() ?? { done: true, value: undefined },
  };
}

/** Tells the source of items that nobody wants more. What it throws then concerns nobody. */
export async function leave(source: AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    await source?.return?.();
  } catch {
    // The outcome is known already.
  }
}
