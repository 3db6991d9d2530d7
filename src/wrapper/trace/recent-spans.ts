import type { SpanRecord } from '../wrapper.js';

/** The spans that ended last. */
export class RecentSpans {
  readonly #room: number;
  readonly #spans: SpanRecord[] = [];
  /** Where the next one goes, when all the room is taken. */
  #oldest = 0;

  /** @param room how many are kept */
  constructor(room: number) {
    this.#room = room;
  }

  add(span: SpanRecord): void {
    if (this.#spans.length < this.#room) {
      this.#spans.push(span);
      return;
    }
    if (this.#room === 0) return;
    this.#spans[this.#oldest] = span;
    this.#oldest = (this.#oldest + 1) % this.#room;
  }

  /** Oldest first. */
  get all(): readonly SpanRecord[] {
    return [...this.#spans.slice(this.#oldest), ...this.#spans.slice(0, this.#oldest)];
  }
}
