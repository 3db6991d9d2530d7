import { OctavoError } from '../../core/error.js';
import type { Call } from '../wrapper.js';
import type { Key, KeySource, TokenHeader } from './key-source.js';
import type { JwtOptions } from './options.js';

type Jose = typeof import('jose');
/** What a token says. */
export type Claims = Readonly<Record<string, unknown>>;

type VerifierOptions = Omit<JwtOptions, 'jwks' | 'keys' | 'roles' | 'open'> &
  Required<Pick<JwtOptions, 'algorithms'>>;

/** Source: RFC 6750 section 2.1. */
const BEARER = /^bearer +([A-Za-z0-9._~+/=-]+)$/i;

/** Finds out who is behind a token. What it throws shows nothing of the token. */
export class Verifier {
  readonly #jose: Jose;
  readonly #source: KeySource;
  readonly #options: VerifierOptions;

  constructor(jose: Jose, source: KeySource, options: VerifierOptions) {
    this.#jose = jose;
    this.#source = source;
    this.#options = options;
  }

  /** The token of a call. Throws `unauthenticated`, unexecuted, where there is none, or something else. */
  tokenOf({ metadata, endpoint }: Call): string {
    const [value, more] = metadata.getAll('authorization');
    if (value === undefined)
      throw refusal(endpoint, 'there is no token: send "authorization: Bearer <token>" as metadata');
    const { maxTokenBytes = 8_192 } = this.#options;
    if (value.length > maxTokenBytes)
      throw refusal(endpoint, `the token is longer than ${maxTokenBytes} bytes`);
    const token = BEARER.exec(value)?.[1];
    if (token !== undefined && more === undefined) return token;
    throw refusal(endpoint, '"authorization" is not "Bearer" and one token');
  }

  /**
   * What a token says, which is true; `sub` among it.
   *
   * @throws `unauthenticated` with the reason, or `unavailable` where there are no keys; unexecuted
   */
  async claims(token: string, { context, endpoint }: Call): Promise<Claims> {
    const refuse = (why: string): OctavoError => refusal(endpoint, why);
    const { algorithms } = this.#options;
    const header = this.#header(token);
    if (header === undefined) throw refuse('the token is no JSON Web Token');
    if (!algorithms.some((each) => each === header.alg))
      throw refuse('the token is not signed as it must be ("alg")');
    const keys = await this.#source.candidates(header, { clock: context.clock, log: context.log });
    if (keys.length === 0) throw refuse('nobody knows the key that the token is signed with');
    let why = '';
    for (const key of keys) {
      const found = await this.#verify(token, key, context.clock.now());
      if (typeof found !== 'string') {
        if (typeof found['sub'] === 'string' && found['sub'] !== '') return found;
        throw refuse('the token names nobody ("sub")');
      }
      // The key that fits says most.
      if (why === '' || why === UNSIGNED) why = found;
    }
    throw refuse(why);
  }

  #header(token: string): TokenHeader | undefined {
    try {
      const { alg, kid } = this.#jose.decodeProtectedHeader(token);
      if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
      return { alg, ...(kid !== undefined && { kid }) };
    } catch {
      return undefined;
    }
  }

  /** What the token says, or why that counts for nothing. */
  async #verify(token: string, key: Key, now: number): Promise<Claims | string> {
    const {
      algorithms,
      issuer,
      audience,
      clockSkewMs = 5_000,
      typ,
      requiredClaims = ['exp'],
    } = this.#options;
    try {
      const { payload } = await this.#jose.jwtVerify(token, key, {
        algorithms: [...algorithms],
        clockTolerance: clockSkewMs / 1_000,
        currentDate: new Date(now),
        requiredClaims: [...requiredClaims],
        ...(issuer !== undefined && { issuer: typeof issuer === 'string' ? issuer : [...issuer] }),
        ...(audience !== undefined && { audience: typeof audience === 'string' ? audience : [...audience] }),
        ...(typ !== undefined && { typ }),
      });
      return payload;
    } catch (reason) {
      return this.#reason(reason);
    }
  }

  /** In words of ours: those of the library may show what is in the token. */
  #reason(reason: unknown): string {
    const { JWTExpired, JWTClaimValidationFailed, JWSSignatureVerificationFailed } = this.#jose.errors;
    if (reason instanceof JWTExpired) return 'the token has expired';
    if (reason instanceof JWSSignatureVerificationFailed) return UNSIGNED;
    if (!(reason instanceof JWTClaimValidationFailed))
      return 'the token is no JSON Web Token that can be read';
    const { claim } = reason;
    if (reason.reason === 'missing') return `the token does not say "${claim}"`;
    return WRONG[claim] ?? `the token has a wrong "${claim}"`;
  }
}

function refusal(endpoint: string, why: string): OctavoError {
  return new OctavoError('unauthenticated', `${endpoint}: ${why} (jwt)`, { executed: false });
}

const UNSIGNED = 'the signature of the token is wrong';

const WRONG: Readonly<Record<string, string>> = {
  nbf: 'the token is not good yet ("nbf")',
  iss: 'the token is from another issuer ("iss")',
  aud: 'the token is for somebody else ("aud")',
  typ: 'the token is of another kind ("typ")',
};
