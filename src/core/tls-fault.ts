import { OctavoError } from './error.js';

/** What Node's errors about TLS carry. */
interface TlsError extends Error {
  readonly code?: string;
  /** What OpenSSL says in short; of a wrong host, which names there are. */
  readonly reason?: string;
}

type Remedy = (address: string, error: TlsError) => string;

/** By Node's code of what is wrong with the certificate at the other end. */
const CERTIFICATE: Readonly<Record<string, Remedy>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: (address) =>
    `the certificate of ${address} is self-signed: put that certificate into tls.ca, or have it signed by an authority that is there`,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  CERT_HAS_EXPIRED: (address) =>
    `the certificate of ${address}, or of who signed it, has expired: renew it there`,
  CERT_NOT_YET_VALID: (address) =>
    `the certificate of ${address} is not valid yet: set the clock of this machine or of that one`,
  CERT_REVOKED: (address) => `the certificate of ${address} is revoked: replace it there`,
  INVALID_PURPOSE: (address) =>
    `the certificate of ${address} is not for servers: have it made with the extended key usage serverAuth`,
  ERR_TLS_CERT_ALTNAME_INVALID: (address, { message }) =>
    `the certificate of ${address} is for somebody else: ${message}: dial a name that it has, set tls.serverName to one, or have it made for this host`,
};

/** By what OpenSSL says, first match first. */
const HANDSHAKE: readonly (readonly [RegExp, Remedy])[] = [
  [
    /alert (?:certificate required|bad certificate)|peer did not return a certificate/,
    (address) =>
      `${address} wants a certificate of ours that it knows: set tls.cert and tls.key to one that its authority has signed`,
  ],
  [
    /alert handshake failure/,
    (address) =>
      `${address} ends the TLS handshake: it wants a certificate of ours (set tls.cert and tls.key), or has no cipher in common with us`,
  ],
  [
    /alert unknown ca/,
    (address) =>
      `${address} does not know who signed our certificate: put its authority into tls.ca there, or use another tls.cert here`,
  ],
  [
    /alert (?:certificate expired|certificate revoked|certificate unknown|unsupported certificate)/,
    (address, error) => `${address} refuses our certificate: ${short(error)}: set another tls.cert`,
  ],
  [
    /protocol version|unsupported protocol|inappropriate fallback/,
    (address) => `${address} speaks no version of TLS that is spoken here: see tls.minVersion at both ends`,
  ],
  [
    /wrong version number|packet length too long|http request|unexpected message|bad record type|unknown protocol|record layer failure/,
    (address) => `${address} does not speak TLS: set tls there, or leave it out here`,
  ],
  [/alert|ssl routines|^err ssl/, (address, error) => `TLS with ${address} failed: ${short(error)}`],
];

/** What is wrong, where it has to do with TLS, and what to do about it. */
export function tlsFault(address: string, error: Error): string | undefined {
  const known: TlsError = error;
  const certificate = CERTIFICATE[known.code ?? ''];
  if (certificate !== undefined) return certificate(address, known);
  const text = textOf(known);
  return HANDSHAKE.find(([pattern]) => pattern.test(text))?.[1](address, known);
}

/** Whether the other end has ended the handshake because of our certificate, or for want of one. */
export function certificateRefused(error: Error): boolean {
  return /alert (?:bad |unsupported )?certificate|alert unknown ca|alert handshake failure/.test(
    textOf(error),
  );
}

/** An error for a TLS connection that could not be opened: nothing was sent on it. */
export function handshakeFailed(address: string, cause: Error): OctavoError {
  const what = tlsFault(address, cause) ?? `${address} broke off the TLS handshake: ${cause.message}`;
  return new OctavoError('unavailable', what, { cause, executed: false });
}

/** OpenSSL's messages are long, and end with a line break. */
function short({ reason, message }: TlsError): string {
  return reason ?? message.trim();
}

function textOf({ code = '', message }: TlsError): string {
  return `${code} ${message}`.replaceAll('_', ' ').toLowerCase();
}

/** Why a handshake was refused to whom began it; `undefined` for one who just left, and may have changed its mind. */
export function refusedHandshake(cause: NodeJS.ErrnoException): OctavoError | undefined {
  if (cause.code === 'ECONNRESET') return undefined;
  const what = tlsFault('the caller', cause) ?? `the TLS handshake failed: ${cause.message}`;
  return new OctavoError('unavailable', what, { cause });
}

function unknownAuthority(address: string): string {
  return `the certificate of ${address} is signed by nobody in tls.ca: put its authority there`;
}
