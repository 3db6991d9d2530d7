import { isIP } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate as NodeCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { Clock } from './clock.js';
import { OctavoError } from './error.js';
import type { MaybePromise } from './lifecycle.js';
import type { Logger } from './logger.js';
import {
  certificatesIn,
  checkTime,
  keyIn,
  nameOf,
  pathOf,
  readPem,
  refused,
  shownPassphrase,
  shownPem,
  stampOf,
  type Named,
  type Pem,
} from './pem.js';

export type { Pem };

/** Certificates, and how those of others are checked. The same on everything that speaks TLS. */
export interface TlsOptions {
  /** Who may have signed the certificates of others: these authorities and no others. @defaultValue the authorities that Node knows */
  readonly ca?: Pem | readonly Pem[];
  /** Our certificate, and behind it those between it and its authority. Whoever listens needs one. */
  readonly cert?: Pem;
  /** The private key of our certificate. */
  readonly key?: Pem;
  /** Opens the key, where it is encrypted. */
  readonly passphrase?: string;
  /** The name that the certificates of those we dial must have. @defaultValue the host that is dialled */
  readonly serverName?: string;
  /** Whether those who dial us are asked for a certificate; one that is shown is checked against `ca`, always. @defaultValue `'none'` */
  readonly clientAuth?: 'none' | 'request' | 'require';
  /** The oldest version that is spoken. @defaultValue `'TLSv1.2'` */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Whether the certificates of those we dial are checked; `false` lets anybody in between read and change everything, and is logged. @defaultValue `true` */
  readonly verify?: boolean;
}

/** Who is at the other end, as a certificate says that was checked. */
export interface PeerCertificate {
  /** `CN=greeter`, and what else there is, one fact a line. */
  readonly subject: string;
  /** The names that it is for, as OpenSSL writes them: `DNS:greeter.local`, `IP Address:127.0.0.1`, `URI:spiffe://...`. */
  readonly san: readonly string[];
  /** `AB:CD:...` */
  readonly fingerprint256: string;
}

/** What was read of the options. It may be given to Node as the options of a secure context. */
export interface Credentials {
  readonly ca?: string[];
  readonly cert?: string;
  /** Without its passphrase. */
  readonly key?: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

/** How those at the other end are checked. */
export interface TlsPolicy {
  readonly serverName: string | undefined;
  readonly clientAuth: 'none' | 'request' | 'require';
  readonly verify: boolean;
}

/** Options of `tls.connect` and `https.request`. */
export interface IdentityCheck {
  readonly rejectUnauthorized: boolean;
  readonly servername: string;
  readonly checkServerIdentity: (host: string, certificate: NodeCertificate) => Error | undefined;
}

export interface CertificatesParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is in use. */
interface Loaded {
  readonly credentials: Credentials;
  readonly context: SecureContext;
  /** What the files were when they were read. */
  readonly stamps: string;
  readonly expires: string | undefined;
}

/** How often files are looked at, at most, in milliseconds. */
const LOOK_EVERY_MS = 60_000;

/**
 * The certificates of one thing that speaks TLS: read when it starts, and again when their files have changed, which a connection that is
 * being opened looks for, at most once a minute.
 */
export class Certificates {
  readonly policy: TlsPolicy;
  readonly #options: TlsOptions;
  readonly #who: string;
  readonly #parts: CertificatesParts;
  readonly #paths: readonly string[];
  #loaded: Loaded | undefined;
  #lookedAt = 0;
  #looking = false;

  /** @param who what errors call its owner: `the http transport` */
  constructor(who: string, options: TlsOptions, parts: CertificatesParts) {
    const { serverName, clientAuth = 'none', verify = true } = options;
    this.policy = { serverName, clientAuth, verify };
    this.#options = options;
    this.#who = who;
    this.#parts = parts;
    const { ca, cert, key } = options;
    this.#paths = [...listed(ca), cert, key].flatMap((pem) => (pem && pathOf(pem)) ?? []);
  }

  /** Reads everything; once, until {@link stop}. Rejects with `failed_precondition`, naming option, file and remedy, for what cannot be used. */
  async start(): Promise<void> {
    if (this.#loaded !== undefined) return;
    const { clock, logger } = this.#parts;
    this.#loaded = await this.#read();
    this.#lookedAt = clock.now();
    if (this.#options.verify === false)
      logger.warn('certificates are not verified: whoever sits in between can read and change everything', {
        option: `tls.verify of ${this.#who}`,
      });
  }

  /** Forgets what was read. */
  stop(): void {
    this.#loaded = undefined;
  }

  /**
   * What is in use, for `tls.createServer` and `setSecureContext`; the same object until files change.
   *
   * @throws or rejects with `failed_precondition` before {@link start}, and where there is no certificate to show
   */
  forServer(): MaybePromise<Credentials> {
    const { cert, clientAuth = 'none', ca } = this.#options;
    if (cert === undefined)
      throw refused(`tls of ${this.#who}`, 'whoever listens needs a certificate: set tls.cert and tls.key');
    if (clientAuth !== 'none' && ca === undefined)
      throw refused(
        `tls.clientAuth of ${this.#who}`,
        'it wants tls.ca, the authority of the callers, as any other would let strangers in',
      );
    return this.asText();
  }

  /** What is in use, for a library that takes no context. Throws `failed_precondition` before {@link start}. */
  asText(): MaybePromise<Credentials> {
    const loaded = this.#fresh();
    return loaded instanceof Promise ? loaded.then(({ credentials }) => credentials) : loaded.credentials;
  }

  /** What is in use, for `tls.connect`. Throws `failed_precondition` before {@link start}. */
  forClient(): MaybePromise<SecureContext> {
    const loaded = this.#fresh();
    return loaded instanceof Promise ? loaded.then(({ context }) => context) : loaded.context;
  }

  /** What is in use, as text, for a library that opens its own connections. Throws `failed_precondition` before {@link start}. */
  forLibrary(): MaybePromise<Credentials> {
    const loaded = this.#fresh();
    return loaded instanceof Promise ? loaded.then(({ credentials }) => credentials) : loaded.credentials;
  }

  #fresh(): MaybePromise<Loaded> {
    const { clock } = this.#parts;
    const loaded = this.#loaded;
    if (loaded === undefined)
      throw new OctavoError('failed_precondition', `${this.#who} is not started: call start() first`, {
        executed: false,
      });
    if (this.#paths.length === 0 || this.#looking || clock.now() - this.#lookedAt < LOOK_EVERY_MS)
      return loaded;
    return this.#look(loaded);
  }

  /** Reads what has changed. What cannot be used is logged, and what was read before goes on. */
  async #look(before: Loaded): Promise<Loaded> {
    const { clock, logger } = this.#parts;
    this.#looking = true;
    try {
      if ((await this.#stamps()) === before.stamps) return before;
      const after = await this.#read();
      if (this.#loaded === before) this.#loaded = after;
      logger.info('read certificates that have changed', { of: this.#who, expires: after.expires });
      return after;
    } catch (error) {
      logger.warn('certificates have changed and cannot be used: those from before go on', { error });
      return before;
    } finally {
      this.#looking = false;
      this.#lookedAt = clock.now();
    }
  }

  async #stamps(): Promise<string> {
    return (await Promise.all(this.#paths.map(stampOf))).join('\n');
  }

  async #read(): Promise<Loaded> {
    // Before they are read, so that a change in between is seen the next time.
    const stamps = await this.#stamps().catch(() => '');
    const { minVersion = 'TLSv1.2' } = this.#options;
    const ca = await this.#readAuthorities();
    const own = await this.#readOwn();
    const credentials: Credentials = {
      minVersion,
      ...(ca !== undefined && { ca }),
      ...(own !== undefined && { cert: own.cert, key: own.key }),
    };
    return { credentials, context: createSecureContext(credentials), stamps, expires: own?.expires };
  }

  async #readAuthorities(): Promise<string[] | undefined> {
    const { ca } = this.#options;
    if (ca === undefined) return undefined;
    const option = this.#option('ca');
    const all = await Promise.all(listed(ca).map((pem) => readPem(pem, option)));
    for (const each of all) {
      const certificates = certificatesIn(each);
      // A bundle may have old ones in it.
      if (certificates.every(({ validTo }) => Date.parse(validTo) < Date.now()))
        for (const certificate of certificates) checkTime(certificate, each.what);
    }
    return all.map(({ text }) => text);
  }

  async #readOwn(): Promise<{ cert: string; key: string; expires: string } | undefined> {
    const { cert, key, passphrase } = this.#options;
    if (cert === undefined && key === undefined) return undefined;
    if (cert === undefined) throw refused(this.#option('key'), 'it is of no use without tls.cert: set both');
    if (key === undefined) throw refused(this.#option('cert'), 'it is of no use without tls.key: set both');
    const chain: Named = await readPem(cert, this.#option('cert'));
    const secret: Named = await readPem(key, this.#option('key'));
    const [leaf] = certificatesIn(chain);
    if (leaf === undefined) throw refused(chain.what, 'it holds no certificate');
    checkTime(leaf, chain.what);
    const opened = keyIn(secret, passphrase);
    if (!leaf.checkPrivateKey(opened))
      throw refused(
        secret.what,
        `the key is not that of the certificate ${nameOf(leaf)} in ${chain.what}: take the two that belong together`,
      );
    // A key that is exported as PEM is text.
    const text = opened.export({ type: 'pkcs8', format: 'pem' }) as string;
    return { cert: chain.text, key: text, expires: leaf.validTo };
  }

  #option(name: string): string {
    return `tls.${name} of ${this.#who}`;
  }
}

/** The options as they may be shown: without keys and passphrase. */
export function shownTls(tls: TlsOptions): TlsOptions {
  const { ca, cert, key, passphrase } = tls;
  return {
    ...tls,
    ...(ca !== undefined && {
      ca: isOne(ca) ? shownPem(ca, false) : ca.map((pem) => shownPem(pem, false)),
    }),
    ...(cert !== undefined && { cert: shownPem(cert, false) }),
    ...(key !== undefined && { key: shownPem(key, true) }),
    ...(passphrase !== undefined && { passphrase: shownPassphrase() }),
  };
}

/** How Node is to check what is dialled at a host: the name in its certificate must be that, or `serverName`. */
export function checkOf(host: string, { serverName = host, verify }: TlsPolicy): IdentityCheck {
  return {
    rejectUnauthorized: verify,
    // An IP address may not be told: RFC 6066 section 3. It is checked all the same.
    servername: isIP(serverName) === 0 ? serverName : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
  };
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

function listed(ca: TlsOptions['ca']): readonly Pem[] {
  if (ca === undefined) return [];
  return isOne(ca) ? [ca] : ca;
}

function isOne(ca: Pem | readonly Pem[]): ca is Pem {
  return typeof ca === 'string' || ca instanceof Uint8Array;
}
