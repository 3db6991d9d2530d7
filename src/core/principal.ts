import type { PeerCertificate } from './tls.js';

/** Who calls, as whatever checked the credentials says: the certificate of a caller, or a wrapper. A wrapper's word counts in place of it. */
export interface Principal {
  readonly subject: string;
  readonly [claim: string]: unknown;
}

/** Who calls, as the certificate says that it was asked for and that was checked. */
export interface CertificatePrincipal extends Principal {
  /** Its SPIFFE id, as `spiffe://example.org/desk`; without one its first name that is a URI, else DNS, else an e-mail address. */
  readonly subject: string;
  /** Which of the four that is. */
  readonly kind: Kind;
  /** All names of the certificate, as {@link PeerCertificate.san} has them. */
  readonly san: readonly string[];
}

type Kind = 'spiffe' | 'uri' | 'dns' | 'email';

/** As OpenSSL writes them, in the order in which they count. */
const KINDS: readonly (readonly [string, Kind])[] = [
  ['URI:', 'uri'],
  ['DNS:', 'dns'],
  ['email:', 'email'],
];
const SPIFFE = 'spiffe://';

/**
 * Whom a certificate names; nobody where it has no name but addresses and a subject.
 *
 * A certificate with a SPIFFE id has that URI and no other: X.509-SVID section 2. One that has more is nobody's.
 */
export function principalOf({ san }: PeerCertificate): CertificatePrincipal | undefined {
  for (const [prefix, kind] of KINDS) {
    const [subject, ...more] = san.filter((name) => name.startsWith(prefix)).map(valueOf);
    if (subject === undefined) continue;
    if (kind !== 'uri' || ![subject, ...more].some((uri) => uri.toLowerCase().startsWith(SPIFFE)))
      return { subject, kind, san };
    return more.length === 0 ? { subject, kind: 'spiffe', san } : undefined;
  }
  return undefined;
}

/** A name that holds what divides names stands in quotes, as JSON. */
function valueOf(name: string): string {
  const value = name.slice(name.indexOf(':') + 1);
  // What stands in quotes of Node's is text.
  return value.startsWith('"') ? (JSON.parse(value) as string) : value;
}
