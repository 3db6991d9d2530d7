import type { Clock } from './clock.js';
import type { OctavoError } from './error.js';
import type { Logger } from './logger.js';

/** For how long nothing more is said of a source, in milliseconds. */
const QUIET_MS = 60_000;
/** How many sources are remembered. While there are more, the new ones are refused in silence. */
const MOST_SOURCES = 1_024;

interface Said {
  readonly at: number;
  /** How many refusals were not logged since. */
  more: number;
}

/** Logs what peers were refused: once a minute for each source and code, so that whoever floods the door does not flood the log. */
export class Refusals {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By source and code, the oldest first. */
  readonly #said = new Map<string, Said>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @param source the host that it came from */
  note(source: string, error: OctavoError): void {
    const now = this.#clock.now();
    const key = `${error.code} ${source}`;
    const before = this.#said.get(key);
    if (before !== undefined && now - before.at < QUIET_MS) {
      before.more++;
      return;
    }
    this.#said.delete(key);
    if (this.#said.size >= MOST_SOURCES && !this.#forget(now)) return;
    this.#said.set(key, { at: now, more: 0 });
    const unsaid = before === undefined || before.more === 0 ? {} : { unlogged: before.more };
    this.#logger.warn('refused a connection', { source, error, ...unsaid });
  }

  /** Forgets sources of which something may be said again. Returns whether there was one. */
  #forget(now: number): boolean {
    for (const [key, { at }] of this.#said) {
      if (now - at < QUIET_MS) break;
      this.#said.delete(key);
    }
    return this.#said.size < MOST_SOURCES;
  }
}
