import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from './clock.js';
import { devTls } from './dev-tls.js';
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
  stampOf,
  type Named,
  type Pem,
} from './pem.js';
import {
  checkLacking,
  listed,
  type Lacking,
  type Tls,
  type TlsOptions,
  type TlsPolicy,
} from './tls-options.js';

export type { Pem };
export {
  agentCheckOf,
  checkOf,
  clientOf,
  requestCheckOf,
  type IdentityCheck,
  type PeerCertificate,
} from './tls-check.js';
export { shownTls, type DialTls, type Tls, type TlsOptions, type TlsPolicy } from './tls-options.js';

/** What was read of the options. It may be given to Node as the options of a secure context. */
export interface Credentials {
  readonly ca?: string[];
  readonly cert?: string;
  /** Without its passphrase. */
  readonly key?: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
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
 * being opened looks for, at most once a minute unless `reload` says otherwise.
 */
export class Certificates {
  readonly policy: TlsPolicy;
  readonly #dev: boolean;
  readonly #who: string;
  readonly #parts: CertificatesParts;
  readonly #lacking: Lacking;
  readonly #everyMs: number;
  #options: TlsOptions;
  #loaded: Loaded | undefined;
  #latest: Loaded | undefined;
  #lookedAt = 0;
  #looking = false;
  /** What could not be used the last time, so that it is logged once. */
  #unusable: string | undefined;

  /**
   * @param who what errors call its owner: `the http transport`
   * @param lacking what its library cannot do: a start with such an option fails
   */
  constructor(who: string, tls: Tls, parts: CertificatesParts, lacking: Lacking = {}) {
    const options = tls === 'dev' ? {} : tls;
    const { serverName, clientAuth = 'none', verify = true, reload = true } = options;
    this.policy = { serverName, clientAuth, verify };
    this.#dev = tls === 'dev';
    this.#options = options;
    this.#who = who;
    this.#parts = parts;
    this.#lacking = lacking;
    this.#everyMs = typeof reload === 'object' ? reload.everyMs : reload ? LOOK_EVERY_MS : Infinity;
  }

  /** Reads everything; once, until {@link stop}. Rejects with `failed_precondition`, naming option, file and remedy, for what cannot be used. */
  async start(): Promise<void> {
    if (this.#loaded !== undefined) return;
    const { clock, logger } = this.#parts;
    checkLacking(this.#who, this.#options, this.#lacking);
    if (this.#dev) this.#options = await devTls(this.#who, logger);
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

  /**
   * What is in use now, for a library that opens connections by itself and cannot wait: what has changed is had by the connection after this
   * one. Throws `failed_precondition` before {@link start}, and not after {@link stop}: the library may be a moment behind.
   */
  current(): SecureContext {
    // It does not reject.
    if (this.#loaded !== undefined) void this.#fresh();
    return (this.#latest ?? this.#started).context;
  }

  get #started(): Loaded {
    if (this.#loaded !== undefined) return this.#loaded;
    throw new OctavoError('failed_precondition', `${this.#who} is not started: call start() first`, {
      executed: false,
    });
  }

  #fresh(): MaybePromise<Loaded> {
    const { clock } = this.#parts;
    const loaded = this.#started;
    if (this.#looking || this.#everyMs === Infinity || clock.now() - this.#lookedAt < this.#everyMs)
      return loaded;
    if (this.#paths.length === 0) return loaded;
    return this.#look(loaded);
  }

  /** Reads what has changed. What cannot be used is logged, once for each change, and what was read before goes on. */
  async #look(before: Loaded): Promise<Loaded> {
    const { clock, logger } = this.#parts;
    this.#looking = true;
    let stamps = '';
    try {
      // What cannot be looked at cannot be read either, and that says why.
      stamps = await this.#stamps().catch(() => '');
      if (stamps !== before.stamps) {
        const after = await this.#read();
        if (this.#loaded === before) this.#loaded = after;
        logger.info('read certificates that have changed', { of: this.#who, expires: after.expires });
      }
      this.#unusable = undefined;
    } catch (error) {
      const unusable = `${stamps}\n${String(error)}`;
      if (unusable !== this.#unusable)
        logger.warn('certificates have changed and cannot be used: those from before go on', { error });
      this.#unusable = unusable;
    } finally {
      this.#looking = false;
      this.#lookedAt = clock.now();
    }
    return this.#loaded ?? before;
  }

  /** The files that are read. */
  get #paths(): readonly string[] {
    const { ca, cert, key } = this.#options;
    return [...listed(ca), cert, key].flatMap((pem) => (pem && pathOf(pem)) ?? []);
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
    const context = createSecureContext(credentials);
    this.#latest = { credentials, context, stamps, expires: own?.expires };
    return this.#latest;
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
