import type { Clock, Timer } from '../../core/clock.js';
import type { OctavoError } from '../../core/error.js';
import { lookEvery, type Session, type SessionOptions } from './session.js';

/** The connections of one end. One timer sees to all of them. */
export class Rounds {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #onRound: ((session: Session, now: number) => void) | undefined;
  readonly #sessions = new Set<Session>();
  #timer: Timer | undefined;

  /** @param onRound looks at each connection, after it has looked after itself */
  constructor(clock: Clock, options: SessionOptions, onRound?: (session: Session, now: number) => void) {
    this.#clock = clock;
    this.#everyMs = lookEvery(options);
    this.#onRound = onRound;
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  add(session: Session): void {
    this.#sessions.add(session);
    if (this.#timer === undefined) this.#wait();
  }

  delete(session: Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Cuts them all. */
  destroy(error: OctavoError): void {
    for (const session of [...this.#sessions]) session.destroy(error);
  }

  #wait(): void {
    if (this.#everyMs === 0) return;
    this.#timer = this.#clock.after(this.#everyMs, () => this.#go(), { background: true });
  }

  #go(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const session of [...this.#sessions]) {
      session.sweep(now);
      this.#onRound?.(session, now);
    }
    if (this.#sessions.size > 0 && this.#timer === undefined) this.#wait();
  }
}
