import type { Clock, Timer } from './clock.js';

export interface PulseInit {
  readonly clock: Clock;
  /** How often {@link beat} is called while nothing else is sent, in milliseconds; `0` is never. */
  readonly beatMs: number;
  /** After which silence of the other end {@link silent} is called, in milliseconds; `0` is never. */
  readonly silenceMs: number;
  /** After how long without an item either way {@link idle} is called, in milliseconds; `0` is never. */
  readonly idleMs: number;
  readonly beat: () => void;
  readonly silent: () => void;
  readonly idle: () => void;
}

/** The shortest time between two ticks, whatever the other end asks for, in milliseconds. */
const SHORTEST = 20;

/**
 * Keeps one stream alive, and notices when the other end is not.
 *
 * Silence counts only while something is waited for: who does not read cannot hear. One timer does all of it, so times are right to a third.
 */
export class Pulse {
  readonly #init: PulseInit;
  readonly #tickMs: number;
  #timer: Timer | undefined;
  #sent = false;
  #listening = false;
  #silentMs = 0;
  #idleMs = 0;

  constructor(init: PulseInit) {
    this.#init = init;
    const { beatMs, silenceMs, idleMs } = init;
    const times = [beatMs, silenceMs / 3, idleMs / 3].filter((ms) => ms > 0);
    this.#tickMs = Math.max(SHORTEST, Math.min(...times));
    if (times.length > 0) this.#wait();
  }

  /** Something was sent, so that there is no need for a beat. */
  sent(): void {
    this.#sent = true;
  }

  /** Something is waited for. */
  listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#silentMs = 0;
  }

  /** Something came, and nothing is waited for. */
  heard(): void {
    this.#listening = false;
  }

  /** An item went either way. */
  active(): void {
    this.#idleMs = 0;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer = this.#init.clock.after(this.#tickMs, () => this.#tick(), { background: true });
  }

  #tick(): void {
    const { beatMs, silenceMs, idleMs, beat, silent, idle } = this.#init;
    this.#wait();
    if (beatMs > 0 && !this.#sent) beat();
    this.#sent = false;
    // Rather a tick late than one early.
    if (silenceMs > 0 && this.#listening && this.#silentMs >= silenceMs) return silent();
    if (idleMs > 0 && this.#idleMs >= idleMs) return idle();
    this.#idleMs += this.#tickMs;
    this.#silentMs += this.#tickMs;
  }
}
