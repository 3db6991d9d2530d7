import { MOST_CANDIDATES, type Key, type TokenHeader } from './key-source.js';

type Jose = typeof import('jose');

/** The public keys of a JSON Web Key Set. Each takes only the algorithms that it is for; what else is in there is no key. */
export class KeySet {
  readonly #jose: Jose;
  readonly #find: ReturnType<Jose['createLocalJWKSet']>;

  /** @throws what the library says of a set that is none */
  constructor(jose: Jose, set: unknown) {
    this.#jose = jose;
    // It looks at all of it, and says what is wrong.
    this.#find = jose.createLocalJWKSet(set as Parameters<Jose['createLocalJWKSet']>[0]);
  }

  /** The keys that a token may be signed with. */
  async candidates(header: TokenHeader): Promise<readonly Key[]> {
    const { JWKSMultipleMatchingKeys, JOSEError } = this.#jose.errors;
    try {
      return [await this.#find({ ...header })];
    } catch (reason) {
      if (reason instanceof JWKSMultipleMatchingKeys) {
        const found: Key[] = [];
        for await (const key of reason) if (found.push(key) >= MOST_CANDIDATES) break;
        return found;
      }
      // No key fits, or one that does is no good.
      if (reason instanceof JOSEError || reason instanceof TypeError || isRefusedKey(reason)) return [];
      throw reason;
    }
  }
}

/** What the platform says of a key that it cannot read. */
function isRefusedKey(reason: unknown): boolean {
  return reason instanceof DOMException;
}
