import type { Clock, Timer } from '../../core/clock.js';
import type { OctavoError } from '../../core/error.js';
import type { Connection } from './connection.js';
import { lookEvery, type VigilOptions } from './vigil.js';

/** The connections of one end that are open. One timer sees to all of them. */
export class Rounds {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #onRound: ((connection: Connection, now: number) => void) | undefined;
  readonly #connections = new Set<Connection>();
  #timer: Timer | undefined;

  /** @param onRound looks at each connection, after it has looked after itself */
  constructor(
    clock: Clock,
    options: VigilOptions & { readonly idleMs?: number },
    onRound?: (connection: Connection, now: number) => void,
  ) {
    this.#clock = clock;
    this.#everyMs = lookEvery(options);
    this.#onRound = onRound;
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
    if (this.#everyMs > 0)
      this.#timer ??= this.#clock.after(this.#everyMs, () => this.#go(), { background: true });
  }

  delete(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Cuts them all. */
  destroy(error: OctavoError): void {
    for (const connection of [...this.#connections]) connection.destroy(error);
  }

  #go(): void {
    const now = this.#clock.now();
    for (const connection of [...this.#connections]) {
      connection.sweep();
      this.#onRound?.(connection, now);
    }
    this.#timer =
      this.#connections.size === 0
        ? undefined
        : this.#clock.after(this.#everyMs, () => this.#go(), { background: true });
  }
}
