import type { Stream } from './stream.js';

/** How many lists there are: numbers follow each other, so that each has one stream or two. A power of two. */
const LISTS = 256;

/**
 * The streams of one connection by number, in many short lists.
 *
 * A `Map` would do, but see {@link Crowd}: what comes and goes all the time has V8 keep what has gone for long, and half of what a call cost
 * was garbage collection. Numbers that a hostile peer chose to share a list make looking up slower, as far as `maxStreams` goes.
 */
export class StreamTable implements Iterable<Stream> {
  readonly #lists: (Stream | undefined)[] = Array.from({ length: LISTS }, () => undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    let stream = this.#lists[id % LISTS];
    while (stream !== undefined && stream.id !== id) stream = stream.behind;
    return stream;
  }

  /** Adds a stream whose number is not there. */
  add(stream: Stream): void {
    const list = stream.id % LISTS;
    stream.behind = this.#lists[list];
    this.#lists[list] = stream;
    this.#size++;
  }

  /** Takes a stream away. Returns whether it was there. */
  delete(stream: Stream): boolean {
    const list = stream.id % LISTS;
    let before: Stream | undefined;
    let each = this.#lists[list];
    while (each !== undefined && each !== stream) {
      before = each;
      each = each.behind;
    }
    if (each === undefined) return false;
    if (before === undefined) this.#lists[list] = stream.behind;
    else before.behind = stream.behind;
    stream.behind = undefined;
    this.#size--;
    return true;
  }

  /** Those that are there now, the oldest first, whoever leaves meanwhile. */
  *[Symbol.iterator](): IterableIterator<Stream> {
    const streams: Stream[] = [];
    for (const first of this.#lists)
      for (let each = first; each !== undefined; each = each.behind) streams.push(each);
    yield* streams.sort((a, b) => a.id - b.id);
  }
}
