import { refused, shownPassphrase, shownPem, type Pem } from './pem.js';

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
  /** Whether files that have changed are read again; a connection that is being opened looks at them, at most every so many milliseconds. @defaultValue `true`: every 60,000 */
  readonly reload?: boolean | { readonly everyMs: number };
}

/**
 * What an option `tls` takes. `'dev'` is for development: an authority of this user, made when it is first used, and a certificate of it for
 * `localhost`, the loopback addresses and this host's name. It is logged loudly, and refused in production.
 */
export type Tls = TlsOptions | 'dev';

/** What the option `tls` of a provider takes that dials, and is dialled by nobody. */
export type DialTls = Omit<TlsOptions, 'clientAuth'> | 'dev';

/** How those at the other end are checked. */
export interface TlsPolicy {
  readonly serverName: string | undefined;
  readonly clientAuth: 'none' | 'request' | 'require';
  readonly verify: boolean;
}

/** Why a provider cannot keep some of the options, by their names. */
export type Lacking = Readonly<Partial<Record<keyof TlsOptions, string>>>;

/** What an option may be told to be, and is anyway; of `reload` what is the case where it is lacking. */
const WITHOUT: Readonly<Partial<Record<keyof TlsOptions, unknown>>> = {
  minVersion: 'TLSv1.2',
  verify: true,
  reload: false,
};

/** Throws `failed_precondition` where options ask for more than there is: none is passed over in silence. */
export function checkLacking(who: string, tls: TlsOptions, lacking: Lacking): void {
  for (const [name, why] of Object.entries(lacking)) {
    // It has the names of options.
    const option = name as keyof TlsOptions;
    if (tls[option] !== undefined && tls[option] !== WITHOUT[option])
      throw refused(`tls.${name} of ${who}`, `it is not to be had there, as ${why}: leave it out`);
  }
}

/** The options as they may be shown: without keys and passphrase. */
export function shownTls<T extends Tls>(tls: T): T;
export function shownTls(tls: Tls): Tls {
  if (tls === 'dev') return tls;
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

/** The authorities that an option gives, one by one. */
export function listed(ca: TlsOptions['ca']): readonly Pem[] {
  if (ca === undefined) return [];
  return isOne(ca) ? [ca] : ca;
}

function isOne(ca: Pem | readonly Pem[]): ca is Pem {
  return typeof ca === 'string' || ca instanceof Uint8Array;
}
