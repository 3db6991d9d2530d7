import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';

/** What the library verifies with. It made it, and it alone looks into it. */
export type Key = import('jose').CryptoKey | Uint8Array;

/** What a token says of itself, before anything of it is verified. */
export interface TokenHeader {
  readonly alg: string;
  readonly kid?: string;
}

export interface KeySourceParts {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where keys come from. */
export interface KeySource {
  /** The keys that a token may be signed with, by what it says: rarely more than one. Rejects with `unavailable` where nobody knows. */
  candidates(header: TokenHeader, parts: KeySourceParts): Promise<readonly Key[]>;
}

/** How many keys a token without an id of its key is tried with: each costs as much as a call. */
export const MOST_CANDIDATES = 4;
