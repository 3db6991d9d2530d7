import type { Clock, Timer } from '../core/clock.js';
import type { Logger } from '../core/logger.js';

/** How often at most the log hears of losses, in milliseconds. */
const EVERY_MS = 1_000;

/** Counts what is lost for one reason, and tells the log of the first one at once and of more once in a while. */
export class Losses {
  readonly #what: string;
  readonly #facts: Readonly<Record<string, unknown>>;
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  #count = 0;
  #timer: Timer | undefined;

  /** @param what as the log says it: `events were dropped` */
  constructor(
    what: string,
    facts: Readonly<Record<string, unknown>>,
    parts: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#what = what;
    this.#facts = facts;
    this.#parts = parts;
  }

  /** One more was lost. */
  add(): void {
    this.#count++;
    if (this.#timer === undefined) this.#tell();
  }

  #tell(): void {
    const { clock, logger } = this.#parts;
    this.#timer = undefined;
    if (this.#count === 0) return;
    logger.warn(this.#what, { ...this.#facts, events: this.#count });
    this.#count = 0;
    this.#timer = clock.after(EVERY_MS, () => this.#tell(), { background: true });
  }
}
