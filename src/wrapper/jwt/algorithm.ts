/** How a token may be signed. `none` is no way. */
export type JwtAlgorithm = (typeof ALGORITHMS)[number];

export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'HS256',
  'HS384',
  'HS512',
] as const;

/** Whether it is by a secret that both sides know. */
export function isSecret(algorithm: string): boolean {
  return algorithm.startsWith('HS');
}
