import { createHash } from 'node:crypto';
import type { Principal } from '../../core/context.js';
import { Bounded } from '../bounded.js';
import type { Call } from '../wrapper.js';
import type { JwtOptions } from './options.js';
import type { Claims, Verifier } from './verifier.js';

/** Who calls, by a token. */
export interface TokenPrincipal extends Principal {
  readonly roles: readonly string[];
}

interface Known {
  readonly principal: TokenPrincipal;
  /** Until when that is so, in milliseconds since the epoch. */
  readonly until: number;
}

/** How many tokens are remembered. */
const MOST_TOKENS = 1_000;

/** Finds out who calls. To verify a token costs several times what the rest of a call does, so that a good one is remembered for a while. */
export class Principals {
  readonly #verifier: Verifier;
  readonly #rolesIn: (claims: Claims) => readonly string[];
  readonly #rememberMs: number;
  readonly #clockSkewMs: number;
  readonly #known = new Bounded<Known>(MOST_TOKENS);

  constructor(verifier: Verifier, { roles = 'roles', rememberMs = 60_000, clockSkewMs = 5_000 }: JwtOptions) {
    this.#verifier = verifier;
    this.#rolesIn = typeof roles === 'function' ? roles : claimed(roles);
    this.#rememberMs = rememberMs;
    this.#clockSkewMs = clockSkewMs;
  }

  /** Rejects as {@link Verifier.claims} does. */
  async of(call: Call): Promise<TokenPrincipal> {
    const token = this.#verifier.tokenOf(call);
    // No token is kept.
    const key = createHash('sha256').update(token).digest('base64');
    const { clock } = call.context;
    const known = this.#known.get(key);
    if (known !== undefined && clock.now() < known.until) return known.principal;
    const claims = await this.#verifier.claims(token, call);
    const principal = this.#principal(claims);
    const end = typeof claims['exp'] === 'number' ? claims['exp'] * 1_000 + this.#clockSkewMs : Infinity;
    const until = Math.min(end, clock.now() + this.#rememberMs);
    if (this.#rememberMs > 0) this.#known.set(key, { principal, until });
    return principal;
  }

  /** Frozen to the ground, as many calls see it. */
  #principal(claims: Claims): TokenPrincipal {
    // The verifier holds tokens to having one.
    const subject = claims['sub'] as string;
    return frozen({ ...claims, subject, roles: [...this.#rolesIn(claims)] });
  }
}

/** Reads roles from a claim. What is no text is no role. */
function claimed(name: string): (claims: Claims) => readonly string[] {
  return (claims) => {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    if (typeof value === 'string') return value.split(' ').filter((role) => role !== '');
    return Array.isArray(value) ? value.filter((role) => typeof role === 'string') : [];
  };
}

/** What JSON can say, so that nothing in it can be changed. It is no deeper than the parser goes. */
function frozen<T extends object>(value: T): T {
  const left: object[] = [value];
  for (let each = left.pop(); each !== undefined; each = left.pop()) {
    Object.freeze(each);
    for (const inner of Object.values(each))
      if (typeof inner === 'object' && inner !== null) left.push(inner as object);
  }
  return value;
}
