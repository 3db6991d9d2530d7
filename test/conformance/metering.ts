import type { Meter } from '../../src/core/context.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';

/** Counts the messages of a call, and how many of them had bytes. */
export class Metering implements Meter {
  readonly #counts = { received: 0, sent: 0 };

  received(bytes: number): void {
    if (bytes > 0) this.#counts.received++;
  }

  sent(bytes: number): void {
    if (bytes > 0) this.#counts.sent++;
  }

  /** Has it told of each call. */
  get wrapper(): Wrapper {
    return (call, next) => {
      call.context.meter = this;
      return next(call);
    };
  }

  /** What it was told since it was asked last. */
  take(): { received: number; sent: number } {
    const counts = { ...this.#counts };
    this.#counts.received = 0;
    this.#counts.sent = 0;
    return counts;
  }
}
