import type { RemoteInfo } from 'node:dgram';
import type { Clock } from '../../core/clock.js';

/** How many packets leave at once, and after how many milliseconds the next: who asked loses what comes faster than it is read. */
const AT_ONCE = 16;
const PAUSE_MS = 1;
/** How many packets wait to leave. A question too many is one that was lost. */
const MOST = 10_000;

interface Letter {
  readonly bytes: Buffer;
  readonly to: RemoteInfo;
}

/** Answers on their way out, a few at a time. */
export class Outbox {
  readonly #clock: Clock;
  readonly #send: (bytes: Buffer, to: RemoteInfo) => void;
  #waiting: Letter[] = [];
  #leaving = false;

  constructor(clock: Clock, send: (bytes: Buffer, to: RemoteInfo) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  get full(): boolean {
    return this.#waiting.length >= MOST;
  }

  put(bytes: Buffer, to: RemoteInfo): void {
    if (this.full) return;
    this.#waiting.push({ bytes, to });
    if (this.#leaving) return;
    this.#leaving = true;
    queueMicrotask(() => this.#leave());
  }

  clear(): void {
    this.#waiting = [];
  }

  #leave(): void {
    for (const { bytes, to } of this.#waiting.splice(0, AT_ONCE)) this.#send(bytes, to);
    if (this.#waiting.length > 0) this.#clock.after(PAUSE_MS, () => this.#leave(), { background: true });
    else this.#leaving = false;
  }
}
