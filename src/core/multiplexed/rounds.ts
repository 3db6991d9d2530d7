import type { Clock, Timer } from '../clock.js';
import type { OctavoError } from '../error.js';

/** A connection that is looked after. */
export interface Swept {
  /** Looks whether the other end is there and keeps its times. */
  sweep(now: number): void;
  destroy(error: OctavoError): void;
}

/** The connections of one end that are open. One timer sees to all of them. */
export class Rounds<C extends Swept> {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #onRound: ((connection: C, now: number) => void) | undefined;
  readonly #connections = new Set<C>();
  #timer: Timer | undefined;

  /**
   * @param everyMs how often to look, in milliseconds; 0 is never
   * @param onRound looks at each connection, after it has looked after itself
   */
  constructor(clock: Clock, everyMs: number, onRound?: (connection: C, now: number) => void) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#onRound = onRound;
  }

  get connections(): ReadonlySet<C> {
    return this.#connections;
  }

  add(connection: C): void {
    this.#connections.add(connection);
    if (this.#timer === undefined) this.#wait();
  }

  delete(connection: C): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Cuts them all. */
  destroy(error: OctavoError): void {
    for (const connection of [...this.#connections]) connection.destroy(error);
  }

  #wait(): void {
    if (this.#everyMs === 0) return;
    this.#timer = this.#clock.after(this.#everyMs, () => this.#go(), { background: true });
  }

  #go(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const connection of [...this.#connections]) {
      connection.sweep(now);
      this.#onRound?.(connection, now);
    }
    if (this.#connections.size > 0 && this.#timer === undefined) this.#wait();
  }
}
