/** A place in a {@link Crowd}, to leave it by. */
export class Place<T> {
  readonly item: T;
  /** @internal The places before and behind, and the crowd; `undefined` after leaving. */
  before: Place<T> | undefined = undefined;
  behind: Place<T> | undefined = undefined;
  crowd: Crowd<T> | undefined;

  constructor(item: T, crowd: Crowd<T>) {
    this.item = item;
    this.crowd = crowd;
  }

  /** Twice is once. */
  leave(): void {
    this.crowd?.remove(this);
  }
}

/**
 * Things that come and go all the time, such as the calls in flight.
 *
 * A `Set` would do, but each time V8 makes its table anew the old one refers to the new one, and once one of them is old the garbage
 * collector of young objects keeps all that went through the rest: a third of what a call costs, measured.
 */
export class Crowd<T> implements Iterable<T> {
  #first: Place<T> | undefined = undefined;
  #size = 0;
  readonly #onEmpty: (() => void) | undefined;

  /** @param onEmpty called when the last one has left */
  constructor(onEmpty?: () => void) {
    this.#onEmpty = onEmpty;
  }

  get size(): number {
    return this.#size;
  }

  add(item: T): Place<T> {
    const place = new Place(item, this);
    const first = this.#first;
    if (first !== undefined) {
      first.before = place;
      place.behind = first;
    }
    this.#first = place;
    this.#size++;
    return place;
  }

  remove(place: Place<T>): void {
    if (place.crowd !== this) return;
    const { before, behind } = place;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind !== undefined) behind.before = before;
    // What has left refers to nobody, for the reason above.
    place.before = undefined;
    place.behind = undefined;
    place.crowd = undefined;
    if (--this.#size === 0) this.#onEmpty?.();
  }

  /** Those that are there now, whoever leaves meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    const items: T[] = [];
    for (let place = this.#first; place !== undefined; place = place.behind) items.push(place.item);
    yield* items;
  }
}
