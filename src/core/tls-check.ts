import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate as NodeCertificate, type TLSSocket } from 'node:tls';
import { OctavoError } from './error.js';
import { nameOf } from './pem.js';
import type { TlsPolicy } from './tls-options.js';

/** Who is at the other end, as a certificate says that was checked. */
export interface PeerCertificate {
  /** `CN=greeter`, and what else there is, one fact a line. */
  readonly subject: string;
  /** The names that it is for, as OpenSSL writes them: `DNS:greeter.local`, `IP Address:127.0.0.1`, `URI:spiffe://...`. */
  readonly san: readonly string[];
  /** `AB:CD:...` */
  readonly fingerprint256: string;
}

/** Options of `tls.connect` and `https.request`. */
export interface IdentityCheck {
  readonly rejectUnauthorized: boolean;
  readonly servername: string;
  readonly checkServerIdentity: (host: string, certificate: NodeCertificate) => Error | undefined;
}

/** How Node is to check what is dialled at a host: the name in its certificate must be that, or `serverName`. */
export function checkOf(host: string, policy: TlsPolicy): IdentityCheck {
  const { serverName = host } = policy;
  return {
    ...requestCheckOf(host, policy),
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
  };
}

/** The same for an agent of `node:https`, whose requests have {@link requestCheckOf}: since version 22 Node keeps no connection for another request whose request had a check of its own. */
export function agentCheckOf({ serverName }: TlsPolicy): Pick<IdentityCheck, 'checkServerIdentity'> {
  return { checkServerIdentity: (host, certificate) => checkServerIdentity(serverName ?? host, certificate) };
}

/** Of a request, which names its host besides. */
export function requestCheckOf(
  host: string,
  { serverName = host, verify }: TlsPolicy,
): Omit<IdentityCheck, 'checkServerIdentity'> {
  // An IP address may not be told: RFC 6066 section 3. It is checked all the same.
  return { rejectUnauthorized: verify, servername: isIP(serverName) === 0 ? serverName : '' };
}

/**
 * Who has dialled us: the certificate that was shown and checked, or why there is none that counts.
 *
 * An end that was not asked for one has none, and that is fine.
 */
export function clientOf(
  socket: TLSSocket,
  { clientAuth }: TlsPolicy,
): PeerCertificate | OctavoError | undefined {
  if (clientAuth === 'none') return undefined;
  const shown = socket.getPeerX509Certificate();
  // Node calls an end that shows nothing authorized when it resumes a session.
  if (shown === undefined)
    return clientAuth === 'request'
      ? undefined
      : stranger(
          'a certificate of the caller is asked for (tls.clientAuth): set tls.cert and tls.key of the caller',
        );
  // Node has a code there, whatever its types say.
  const why = String(socket.authorizationError);
  if (!socket.authorized)
    return stranger(
      `the caller's certificate ${nameOf(shown)} is refused (${why}): it must be valid, and signed by an authority in tls.ca of who listens`,
    );
  const { subject, subjectAltName, fingerprint256 } = shown;
  return { subject, san: namesIn(subjectAltName ?? ''), fingerprint256 };
}

/** Names are divided by commas; one that holds a comma itself stands in quotes, as JSON. */
function namesIn(subjectAltName: string): readonly string[] {
  return subjectAltName.match(/[^,\s:"][^,:"]*:(?:"(?:[^"\\]|\\.)*"|[^,]*)/g) ?? [];
}

function stranger(why: string): OctavoError {
  return new OctavoError('unauthenticated', why, { executed: false });
}
