import { X509Certificate } from 'node:crypto';
import { link, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { OctavoError } from './error.js';
import type { Logger } from './logger.js';
import { refused } from './pem.js';
import { issue, type Issuer } from './x509.js';

/** Files of a certificate for this machine, its key, and the authority that has signed it. */
export interface DevFiles {
  readonly ca: string;
  /** The certificate, and its key behind it. */
  readonly cert: string;
  readonly key: string;
}

const NAME = 'Octavo development authority, for this machine only';
const DAY_MS = 24 * 60 * 60 * 1_000;
const AUTHORITY_DAYS = 3_650;
/** As long as most software takes a server's certificate to be valid at most. */
const CERTIFICATE_DAYS = 397;
/** A certificate that has less than this to go is made anew. */
const SPARE_DAYS = 30;

/**
 * What `tls: 'dev'` stands for: the files of an authority of this user, made when they are first asked for and kept in `octavo/dev-tls` of the
 * user's cache, and said in the log.
 *
 * Rejects with `failed_precondition` in production, and for files that others may read.
 *
 * @param who what errors call whoever wants it: `the http transport`
 */
export async function devTls(who: string, logger: Logger): Promise<DevFiles> {
  const what = `tls: 'dev' of ${who}`;
  if (process.env['NODE_ENV'] === 'production')
    throw refused(
      what,
      'it is for development, and NODE_ENV is production: give it certificates of your own authority (docs/tls.md)',
    );
  const folder = join(cacheFolder(), 'octavo', 'dev-tls');
  const ca = join(folder, 'ca.pem');
  try {
    const authority = await authorityIn(folder, what);
    const cert = join(folder, 'localhost.pem');
    await renew(cert, authority, what);
    logger.warn(
      "TLS FOR DEVELOPMENT ONLY (tls: 'dev'): anybody who can read the key of this authority can be anybody to this process",
      { of: who, authority: ca, certificate: cert },
    );
    return { ca, cert, key: cert };
  } catch (cause) {
    if (cause instanceof OctavoError) throw cause;
    // A file that cannot be read or written, or is damaged: nothing else is done here.
    const { message } = cause as Error;
    throw refused(what, `${folder} cannot be used: ${message}: delete it, or see to its permissions`, cause);
  }
}

/** The authority in a folder; of two that make one at once, the one that is there first. */
async function authorityIn(folder: string, what: string): Promise<Issuer> {
  const found = await readAuthority(folder, what);
  if (found !== undefined) return found;
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
  const draft = await mkdtemp(`${folder}-`);
  try {
    const { cert, key } = issue({ name: NAME, authority: true, ...validFor(AUTHORITY_DAYS) });
    await writeFile(join(draft, 'ca.key'), key, { mode: 0o600 });
    await writeFile(join(draft, 'ca.pem'), cert, { mode: 0o644 });
    await rename(draft, folder);
    return { name: NAME, cert, key };
  } catch (error) {
    // A folder that is there and not empty is not replaced.
    const other = await readAuthority(folder, what);
    if (other === undefined) throw error;
    return other;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function readAuthority(folder: string, what: string): Promise<Issuer | undefined> {
  const [cert, key] = await Promise.all([
    textOf(join(folder, 'ca.pem')),
    secretOf(join(folder, 'ca.key'), what),
  ]);
  if (cert === undefined || key === undefined) return undefined;
  if (Date.parse(new X509Certificate(cert).validTo) - Date.now() < SPARE_DAYS * DAY_MS)
    throw refused(what, `the authority in ${folder} has come to its end: delete that folder`);
  return { name: NAME, cert, key };
}

/** Sees to it that there is a certificate of the authority that is valid for a while, and for this machine. */
async function renew(file: string, authority: Issuer, what: string): Promise<void> {
  const names = ['localhost', hostname()];
  const before = await secretOf(file, what);
  if (before !== undefined && isGood(new X509Certificate(before), authority, names)) return;
  const san = [
    ...[...new Set(names)].map((name) => `DNS:${name}`),
    ...['127.0.0.1', '::1'].map((address) => `IP:${address}`),
  ];
  const { cert, key } = issue({ name: 'localhost', san, by: authority, ...validFor(CERTIFICATE_DAYS) });
  // Whole when it has its name, also where two do so at once.
  const draft = await mkdtemp(`${file}-`);
  try {
    const whole = join(draft, 'whole');
    await writeFile(whole, cert + key, { mode: 0o600 });
    // One that is there has been read already, perhaps: only what is no good is replaced.
    if (before === undefined) await link(whole, file).catch(unlessThere);
    else await rename(whole, file);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function isGood(certificate: X509Certificate, { cert }: Issuer, names: readonly string[]): boolean {
  return (
    Date.parse(certificate.validTo) - Date.now() > SPARE_DAYS * DAY_MS &&
    certificate.verify(new X509Certificate(cert).publicKey) &&
    names.every((name) => certificate.checkHost(name) !== undefined)
  );
}

/** From an hour ago on, as clocks differ. */
function validFor(days: number): { readonly from: Date; readonly to: Date } {
  const now = Date.now();
  return { from: new Date(now - 60 * 60 * 1_000), to: new Date(now + days * DAY_MS) };
}

/** What a file holds that nobody else may read; `undefined` where there is none. */
async function secretOf(file: string, what: string): Promise<string | undefined> {
  const text = await textOf(file);
  if (text === undefined || process.platform === 'win32') return text;
  const { mode, uid } = await stat(file);
  if ((mode & 0o077) !== 0 || uid !== process.getuid?.())
    throw refused(what, `others may read the key in ${file}: delete that folder, so that it is made anew`);
  return text;
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isFileError(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function unlessThere(error: unknown): void {
  if (!isFileError(error) || error.code !== 'EEXIST') throw error;
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** Where the programs of a user keep what they can make anew. Source: the XDG base directory specification. */
function cacheFolder(): string {
  const told = process.env['XDG_CACHE_HOME'];
  return told?.startsWith('/') ? told : join(homedir(), '.cache');
}
