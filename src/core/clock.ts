import type { MaybePromise } from './lifecycle.js';

/** A pending call of {@link Clock.after}. */
export interface Timer {
  /** Takes the call back. Nothing happens when it was already made. */
  cancel(): void;
}

export interface TimerOptions {
  /** Whether the process may end while this timer is pending. @defaultValue `false` */
  readonly background?: boolean;
}

/**
 * Tells the time, and wakes up later. Every timeout, back-off, interval and TTL goes through it, so that a test can move time.
 *
 * `octavo/conformance/clock` says whether an implementation is one.
 */
export abstract class Clock {
  /** What logs and errors call this implementation. */
  abstract readonly name: string;

  /** Milliseconds since the epoch, with fractions. Never goes back. */
  abstract now(): number;

  /** Calls `run` once, `ms` milliseconds from now, never before this call returns. Zero and less mean: as soon as possible. */
  abstract after(ms: number, run: () => void, options?: TimerOptions): Timer;

  /** Resolves after `ms` milliseconds. Rejects with `cancelled`, at once, when the signal aborts. */
  abstract sleep(ms: number, signal?: AbortSignal): MaybePromise<void>;
}
