import type { TlsOptions } from '../../core/tls.js';
import type { JwtAlgorithm } from './algorithm.js';

export interface JwtOptions {
  /** Where the issuer shows its public keys: the URL of a JSON Web Key Set. Either this or `keys`. */
  readonly jwks?: string | JwksOptions;
  /** The keys themselves: of several any one will do, so that an old one can go while a new one is there. */
  readonly keys?: readonly JwtKey[];
  /** What tokens may be signed with. A key takes only what it is for, so that no public key is ever taken for a secret. @defaultValue all that the keys are for: RS, PS, ES and EdDSA for public ones, HS for secrets */
  readonly algorithms?: readonly JwtAlgorithm[];
  /** Who must have issued a token (`iss`). @defaultValue anybody who has the key */
  readonly issuer?: string | readonly string[];
  /** Whom a token must be for (`aud`): one of these. @defaultValue anybody, also other services of the issuer */
  readonly audience?: string | readonly string[];
  /** By how much clocks may differ, in milliseconds. @defaultValue `5_000` */
  readonly clockSkewMs?: number;
  /** What a token must say beside `sub`. @defaultValue `['exp']` */
  readonly requiredClaims?: readonly string[];
  /** The `typ` that a token must have, such as `'at+jwt'`. @defaultValue any */
  readonly typ?: string;
  /** Where a token says which roles its bearer has: a claim with an array, or a text with spaces between; or as a function reads them. @defaultValue `'roles'` */
  readonly roles?: string | ((claims: Readonly<Record<string, unknown>>) => readonly string[]);
  /** Endpoints and topics that need no token where their code does not say so, such as `Debug.Health`. @defaultValue none */
  readonly open?: readonly string[];
  /** For how long a token that was verified is taken for good without verifying it again, in milliseconds, at most until its end; `0` for never. @defaultValue `60_000` */
  readonly rememberMs?: number;
  /** Bytes of the longest token. @defaultValue `8_192` */
  readonly maxTokenBytes?: number;
}

/** Where public keys are shown, and how long they are good for. */
export interface JwksOptions {
  /** `https://issuer.example/.well-known/jwks.json`. Without TLS only on this machine, as whoever is in between could put in keys of its own. */
  readonly url: string;
  /** Certificates, and who may have signed that of the issuer. @defaultValue the authorities that Node knows */
  readonly tls?: Omit<TlsOptions, 'clientAuth'>;
  /** After which time the keys are asked for again, in milliseconds; those that are there serve meanwhile. @defaultValue `600_000` */
  readonly refreshMs?: number;
  /** For how long the keys are good while they cannot be asked for, in milliseconds. @defaultValue `86_400_000`, a day */
  readonly maxStaleMs?: number;
  /** How often a key that nobody knows makes it ask again, in milliseconds. @defaultValue `30_000` */
  readonly cooldownMs?: number;
  /** For how long an answer may take, in milliseconds. @defaultValue `5_000` */
  readonly timeoutMs?: number;
}

/** A key to verify tokens with, and the id that tokens call it by (`kid`), where they do. */
export type JwtKey =
  | {
      /** A public key or a certificate, as PEM. */
      readonly pem: string;
      readonly kid?: string;
    }
  | {
      /** A public key, as a JSON Web Key. */
      readonly jwk: Readonly<Record<string, unknown>>;
    }
  | {
      /** What both sides know, of at least 32 random bytes. */
      readonly secret: string | Uint8Array;
      readonly kid?: string;
    };
