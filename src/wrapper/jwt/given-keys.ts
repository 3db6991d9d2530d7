import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { OctavoError } from '../../core/error.js';
import { isSecret } from './algorithm.js';
import { KeySet } from './key-set.js';
import type { Key, KeySource, TokenHeader } from './key-source.js';
import type { JwtKey } from './options.js';

type Jose = typeof import('jose');

interface Secret {
  readonly bytes: Uint8Array;
  readonly kid: string | undefined;
}

/** Keys that somebody wrote down. */
export class GivenKeys implements KeySource {
  readonly #set: KeySet;
  readonly #secrets: readonly Secret[];

  /** @throws `invalid_argument` for a key that is none, without showing it */
  constructor(jose: Jose, keys: readonly JwtKey[]) {
    if (keys.length === 0) throw wrong('"keys" is empty: give at least one');
    this.#secrets = keys.flatMap((key, at) => ('secret' in key ? [secretOf(key, at)] : []));
    this.#set = new KeySet(jose, {
      keys: keys.flatMap((key, at) => ('secret' in key ? [] : [publicOf(key, at)])),
    });
  }

  async candidates(header: TokenHeader): Promise<readonly Key[]> {
    const { alg, kid } = header;
    if (!isSecret(alg)) return this.#set.candidates(header);
    // A secret is as long as the hash at least. Source: RFC 7518 section 3.2.
    const bits = Number(alg.slice(2));
    return this.#secrets
      .filter(
        ({ bytes, kid: own }) =>
          bytes.length * 8 >= bits && (kid === undefined || own === undefined || own === kid),
      )
      .map(({ bytes }) => bytes);
  }
}

function secretOf({ secret, kid }: Extract<JwtKey, { secret: unknown }>, at: number): Secret {
  const bytes = typeof secret === 'string' ? Buffer.from(secret, 'utf8') : secret;
  if (Buffer.from(bytes).includes('-----BEGIN'))
    throw wrong(`keys[${at}] has PEM as its secret, which everybody may know: give it as "pem"`);
  if (bytes.length < 32)
    throw wrong(`keys[${at}] has a secret of ${bytes.length} bytes: give 32 random ones at least`);
  return { bytes, kid };
}

/** The public half, whatever was given. */
function publicOf(key: Exclude<JwtKey, { secret: unknown }>, at: number): Record<string, unknown> {
  if ('pem' in key) {
    const own = key.kid === undefined ? {} : { kid: key.kid };
    return { ...jwkOf(() => createPublicKey(key.pem), at), ...own };
  }
  const { kty, kid, alg, use, key_ops: operations } = key.jwk;
  if (kty === 'oct') throw wrong(`keys[${at}] is a secret: give it as "secret"`);
  const beside = Object.entries({ kid, alg, use, key_ops: operations }).filter(
    ([, value]) => value !== undefined,
  );
  // Node looks at all of it.
  const made = (): KeyObject => createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' });
  return { ...jwkOf(made, at), ...Object.fromEntries(beside) };
}

function jwkOf(make: () => KeyObject, at: number): Record<string, unknown> {
  try {
    // It has the members of a public key.
    return make().export({ format: 'jwk' }) as Record<string, unknown>;
  } catch {
    // The cause may show the key.
    throw wrong(`keys[${at}] is no public key of RSA, an elliptic curve or Ed25519`);
  }
}

function wrong(what: string): OctavoError {
  return new OctavoError('invalid_argument', `jwt: ${what}`);
}
