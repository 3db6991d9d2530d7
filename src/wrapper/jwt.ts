import { OctavoError } from '../core/error.js';
import { peer } from '../core/peer.js';
import { ALGORITHMS, isSecret } from './jwt/algorithm.js';
import { GivenKeys } from './jwt/given-keys.js';
import { Jwks } from './jwt/jwks.js';
import type { JwtOptions } from './jwt/options.js';
import { Principals } from './jwt/principals.js';
import { Verifier } from './jwt/verifier.js';
import type { Place, Wrapper } from './wrapper.js';

export type { JwtAlgorithm } from './jwt/algorithm.js';
export { jwtClient } from './jwt/client.js';
export type { JwksOptions, JwtKey, JwtOptions } from './jwt/options.js';
export type { JwtClientOptions, JwtToken } from './jwt/tokens.js';

/**
 * Lets nobody in without a token that is signed, in time and for this service (`authorization: Bearer ...`), except where `@Public` says so,
 * and sets the principal. Where `@Allow` says so it needs one of those roles. Needs `npm install jose`.
 *
 * What it refuses is `unauthenticated` or `permission_denied`, unexecuted and undecoded; `unavailable` while it has no keys.
 */
export async function jwt(options: JwtOptions): Promise<Wrapper> {
  const jose = await peer('the jwt wrapper', 'jose', () => import('jose'));
  const { jwks, keys, open = [] } = options;
  if ((jwks === undefined) === (keys === undefined))
    throw new OctavoError('invalid_argument', 'jwt: give either "jwks" or "keys"');
  const { algorithms = ALGORITHMS.filter((each) => keys !== undefined || !isSecret(each)) } = options;
  if (keys === undefined && algorithms.some(isSecret))
    throw new OctavoError(
      'invalid_argument',
      'jwt: a key set has no secrets: give HS algorithms with "keys"',
    );
  const source = keys === undefined ? new Jwks(jose, jwks ?? '') : new GivenKeys(jose, keys);
  const verifier = new Verifier(jose, source, { ...options, algorithms });
  const principals = new Principals(verifier, options);
  const listed = new Set(open);

  const wrapper: Wrapper = async (call, next) => {
    const { access, context, endpoint } = call;
    if (access === 'public' || (access === undefined && listed.has(endpoint))) {
      // Who is let in anyway is known by name where the token is good, and is nobody where it is not.
      if (call.metadata.has('authorization'))
        context.principal = await principals.of(call).catch(() => context.principal);
      return next(call);
    }
    const principal = await principals.of(call);
    context.principal = principal;
    if (access !== undefined && !access.some((role) => principal.roles.includes(role)))
      throw new OctavoError('permission_denied', `${endpoint} is for ${access.join(' or ')} (@Allow)`, {
        executed: false,
      });
    return next(call);
  };
  return Object.assign(wrapper, { unfit, guards: true });
}

function unfit({ around }: Place): string | undefined {
  return around === 'handler' || around === 'subscriber'
    ? undefined
    : 'jwt checks the tokens of those who call: put it on a server, and jwtClient() on a client';
}
