import { OctavoError } from './error.js';
import type { MaybePromise } from './lifecycle.js';

/** The items of an inbox that has none: one list for all, of which there is one for each call. */
const NOTHING: never[] = [];
Object.freeze(NOTHING);

/** Who takes one item. */
export interface Taker<T> {
  /** @param item `undefined` at the end */
  received(item: T | undefined): void;
  failed(error: Error): void;
}

/**
 * A bounded queue from one producer to one consumer, read as an async iterable.
 *
 * It does not drop: `push` says whether there is room for more, and `onDrain` when there is again, so that the producer can stop reading
 * its own source. Hand-written, since an async generator costs three promises for each item.
 */
export class Inbox<T> implements AsyncIterableIterator<T> {
  readonly #room: number;
  readonly #onDrain: (() => void) | undefined;
  readonly #onReturn: (() => void) | undefined;
  readonly #weigh: (item: T) => number;
  #items: T[] = NOTHING;
  #head = 0;
  /** What the items that wait take of the room. */
  #load = 0;
  #full = false;
  #ended = false;
  #error: Error | undefined;
  #waiting: Taker<T> | undefined;

  /**
   * @param room how many items may wait before `push` says no
   * @param onDrain called when half the room is free again after a `push` that said no
   * @param onReturn called when the consumer breaks out of its loop
   * @param weigh how much of the room an item takes; 1 without it
   */
  constructor(room: number, onDrain?: () => void, onReturn?: () => void, weigh: (item: T) => number = one) {
    this.#room = room;
    this.#onDrain = onDrain;
    this.#onReturn = onReturn;
    this.#weigh = weigh;
  }

  /** How many items wait. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Adds an item. Returns `false` when the producer should wait for `onDrain`; the item is kept all the same. After the end it is dropped. */
  push(item: T): boolean {
    if (this.#ended) return true;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.received(item);
      return true;
    }
    if (this.#items === NOTHING) this.#items = [item];
    else this.#items.push(item);
    this.#load += this.#weigh(item);
    if (this.#load < this.#room) return true;
    this.#full = true;
    return false;
  }

  /** Ends the queue: the consumer gets what waits, then the end, or this error. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    if (error === undefined) waiting.received(undefined);
    else waiting.failed(error);
  }

  /**
   * The next item, at once where one waits; `undefined` after the end. Throws, or rejects with, the error it ended with.
   *
   * One call at a time: a second one throws `failed_precondition`, and the first goes on waiting.
   */
  take(): MaybePromise<T | undefined> {
    if (this.#head < this.#items.length) return this.#shift();
    if (this.#ended) {
      if (this.#error !== undefined) throw this.#error;
      return undefined;
    }
    this.#checkFree();
    return new Promise((received, failed) => {
      this.#waiting = { received, failed };
    });
  }

  /** Gives the next item to a taker: at once, or when there is one. As {@link take}, without a promise. */
  takeInto(taker: Taker<T>): void {
    if (this.#head < this.#items.length) taker.received(this.#shift());
    else if (!this.#ended) {
      this.#checkFree();
      this.#waiting = taker;
    } else if (this.#error !== undefined) taker.failed(this.#error);
    else taker.received(undefined);
  }

  #checkFree(): void {
    if (this.#waiting !== undefined)
      throw new OctavoError('failed_precondition', 'a receive waits already: await it before the next one');
  }

  async next(): Promise<IteratorResult<T>> {
    const item = await this.take();
    return item === undefined ? { done: true, value: undefined } : { done: false, value: item };
  }

  /** Drops what waits and ends the queue: the consumer has left. */
  async return(): Promise<IteratorResult<T>> {
    const wasOpen = !this.#ended;
    this.#items = NOTHING;
    this.#head = 0;
    this.#load = 0;
    this.end();
    if (wasOpen) this.#onReturn?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #shift(): T {
    // The index was compared with the length just before.
    const item = this.#items[this.#head] as T;
    this.#head++;
    this.#load -= this.#weigh(item);
    if (this.#head === this.#items.length) {
      this.#items = NOTHING;
      this.#head = 0;
    } else if (this.#head >= 64) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.#full && this.#load <= this.#room / 2) {
      this.#full = false;
      this.#onDrain?.();
    }
    return item;
  }
}

function one(): number {
  return 1;
}
