import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';

/**
 * Why a datagram was dropped: it makes no sense; it comes from elsewhere than whom it speaks for; nobody waits for it any more; it came
 * before.
 */
export type DropReason = 'malformed' | 'stranger' | 'late' | 'duplicate';

/** For how long nothing more is said of a reason, in milliseconds. */
const QUIET_MS = 60_000;

/**
 * Counts what was dropped, and logs what should not have come: once a minute for each reason, however many senders there seem to be, as a
 * sender's address is whatever it likes.
 */
export class Dropped {
  readonly counts: Record<DropReason, number> = { malformed: 0, stranger: 0, late: 0, duplicate: 0 };
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** When something was said last, and how much had been dropped by then. */
  readonly #said = new Map<DropReason, { readonly at: number; readonly count: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @param source where it says that it comes from */
  add(reason: DropReason, source: string): void {
    const count = ++this.counts[reason];
    // A network may be late, and deliver twice.
    if (reason === 'late' || reason === 'duplicate') return;
    const now = this.#clock.now();
    const before = this.#said.get(reason);
    if (before !== undefined && now - before.at < QUIET_MS) return;
    this.#said.set(reason, { at: now, count });
    const unlogged = count - 1 - (before?.count ?? 0);
    this.#logger.warn('dropped a datagram', { reason, source, ...(unlogged > 0 && { unlogged }) });
  }
}
