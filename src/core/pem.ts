import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { OctavoError } from './error.js';

/** PEM text, the path of a file that holds it, or its bytes. */
export type Pem = string | Uint8Array;

const CERTIFICATES =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^]+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const BEGIN = '-----BEGIN';
/** The beginning of DER in base64: somebody left the lines around it out. */
const BASE64_DER = /^M[A-Za-z0-9+/=]{30,}$/;
const SECRET = '(secret)';

/** Where one of the `tls` options came from, as errors name it: `tls.key of the http transport (key.pem)`. */
export interface Named {
  readonly text: string;
  readonly what: string;
}

/**
 * The text that an option gives or names.
 *
 * @param option what errors call it: `tls.key of the http transport`
 * @throws `failed_precondition` that names the option and the file, never what a key holds
 */
export async function readPem(pem: Pem, option: string): Promise<Named> {
  if (typeof pem !== 'string') return checked(Buffer.from(pem).toString('latin1'), `${option} (bytes)`);
  const path = pathOf(pem);
  if (path === undefined) return checked(pem, `${option} (text)`);
  const what = `${option} (${path})`;
  try {
    return checked(await readFile(path, 'latin1'), what);
  } catch (cause) {
    if (cause instanceof OctavoError) throw cause;
    throw refused(
      what,
      `the file cannot be read: ${(cause as Error).message}: name one that is there, or give the PEM text itself`,
      cause,
    );
  }
}

/** The file that an option names, where it is no PEM itself. */
export function pathOf(pem: Pem): string | undefined {
  if (typeof pem !== 'string' || pem.includes(BEGIN) || pem.includes('\n') || BASE64_DER.test(pem))
    return undefined;
  return pem;
}

/** What a file is now: changes whenever it is written or replaced. */
export async function stampOf(path: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(path);
  return `${path} ${mtimeMs} ${size} ${ino}`;
}

/** What may be shown of an option: paths and certificates, and nothing of what may hold a key. */
export function shownPem(pem: Pem, secret: boolean): Pem {
  if (pathOf(pem) !== undefined) return pem;
  return secret || Buffer.from(pem).includes('PRIVATE KEY') ? SECRET : pem;
}

/** What stands for a passphrase that is shown. */
export function shownPassphrase(): string {
  return SECRET;
}

/** The certificates in a text, at least one. */
export function certificatesIn({ text, what }: Named): readonly X509Certificate[] {
  const found = text.match(CERTIFICATES) ?? [];
  if (found.length === 0)
    throw refused(what, 'it holds no certificate: it wants lines from -----BEGIN CERTIFICATE----- on');
  try {
    return found.map((each) => new X509Certificate(each));
  } catch (cause) {
    throw refused(what, 'a certificate in it is damaged: write the file anew', cause);
  }
}

/** Refuses a certificate that is not valid now. The system's time counts, as it does for whoever checks it. */
export function checkTime(certificate: X509Certificate, what: string): void {
  const now = Date.now();
  const { validFrom, validTo } = certificate;
  if (now > Date.parse(validTo))
    throw refused(what, `the certificate ${nameOf(certificate)} has expired on ${validTo}: renew it`);
  if (now < Date.parse(validFrom))
    throw refused(
      what,
      `the certificate ${nameOf(certificate)} is valid from ${validFrom} on: set this machine's clock, or wait`,
    );
}

/** The private key in a text, opened. */
export function keyIn({ text, what }: Named, passphrase: string | undefined): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw refused(what, 'it holds no private key: it wants lines from -----BEGIN PRIVATE KEY----- on');
  try {
    return createPrivateKey({ key: text, ...(passphrase !== undefined && { passphrase }) });
  } catch (cause) {
    const encrypted = /ENCRYPTED/.test(text);
    if (encrypted && passphrase === undefined)
      throw refused(what, 'the key is encrypted: set tls.passphrase');
    // OpenSSL's errors hold nothing of the key.
    throw refused(
      what,
      encrypted ? 'tls.passphrase does not open the key' : 'the key is damaged: write the file anew',
      cause,
    );
  }
}

/** An error about an option. */
export function refused(what: string, why: string, cause?: unknown): OctavoError {
  return new OctavoError('failed_precondition', `${what}: ${why}`, cause === undefined ? {} : { cause });
}

function checked(text: string, what: string): Named {
  if (text.includes(BEGIN)) return { text, what };
  throw refused(
    what,
    'it is no PEM: DER becomes PEM by "openssl x509 -inform der" or "openssl pkey -inform der"',
  );
}

/** `CN=greeter`, on one line. */
export function nameOf({ subject, subjectAltName }: X509Certificate): string {
  return `"${(subject ?? subjectAltName ?? '').replaceAll('\n', ', ')}"`;
}
