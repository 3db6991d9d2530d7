import type { Clock, Timer } from './clock.js';

/** Ends something when nothing is heard for a time, or a signal says so; once. */
export class Silence {
  readonly ms: number;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  #timer: Timer | undefined;
  #onEnd: () => void = () => {};
  #over = false;
  readonly #cut = (): void => {
    this.#over = true;
    this.end();
    this.#onEnd();
  };

  constructor(clock: Clock, ms: number, signal?: AbortSignal) {
    this.ms = ms;
    this.#clock = clock;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#cut);
    this.heard();
  }

  /** Whether it was too long, or the signal came. */
  get over(): boolean {
    return this.#over || this.aborted;
  }

  get aborted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Calls this when it is over. */
  onEnd(run: () => void): void {
    this.#onEnd = run;
  }

  /** Something was heard: the time begins anew. */
  heard(): void {
    this.#timer?.cancel();
    if (!this.over) this.#timer = this.#clock.after(this.ms, this.#cut, { background: true });
  }

  /** It is over in order. */
  end(): void {
    this.#timer?.cancel();
    this.#signal?.removeEventListener('abort', this.#cut);
  }
}
