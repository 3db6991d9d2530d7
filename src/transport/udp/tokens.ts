import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** How many sources that came with the right token are remembered, to spare the arithmetic. */
const MOST_KNOWN = 4_096;
const BYTES = 8;

/**
 * What callers must come with to be served: only who gets what is sent to its address knows its token.
 *
 * Without it anybody could have calls run, and replies sent, in another's name. Nothing is kept for who has not shown it.
 */
export class Tokens {
  readonly #secret = randomBytes(32);
  /** Tokens by source, the oldest first. */
  readonly #known = new Map<string, string>();

  /** The token of a source, as Latin-1. */
  of(source: string): string {
    return this.#make(source).toString('latin1');
  }

  /** Whether a source comes with its token. */
  holds(source: string, token: string): boolean {
    const known = this.#known.get(source);
    if (known !== undefined) return known === token;
    if (!timingSafeEqual(this.#make(source), Buffer.from(token, 'latin1'))) return false;
    if (this.#known.size >= MOST_KNOWN)
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    this.#known.set(source, token);
    return true;
  }

  #make(source: string): Buffer {
    return createHmac('sha256', this.#secret).update(source).digest().subarray(0, BYTES);
  }
}
