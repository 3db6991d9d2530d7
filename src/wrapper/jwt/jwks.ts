import type { Clock } from '../../core/clock.js';
import { OctavoError, RETRY_AFTER } from '../../core/error.js';
import { JsonHttp } from '../../core/json-http.js';
import { KeySet } from './key-set.js';
import type { Key, KeySource, KeySourceParts, TokenHeader } from './key-source.js';
import type { JwksOptions } from './options.js';

type Jose = typeof import('jose');

const MOST_BYTES = 1024 * 1024;
/** How many keys a set may have. */
const MOST_KEYS = 100;
/** How long to wait after a failure, doubled for each, in milliseconds. */
const FIRST_PAUSE_MS = 1_000;

/** The keys that an issuer shows at a URL. They are asked for when a token comes, once for all that wait. */
export class Jwks implements KeySource {
  readonly #jose: Jose;
  readonly #options: Required<Omit<JwksOptions, 'tls'>> & Pick<JwksOptions, 'tls'>;
  readonly #address: string;
  readonly #path: string;
  #set: KeySet | undefined;
  /** When the keys came. */
  #at = 0;
  /** When they may be asked for again. */
  #nextAt = 0;
  #failures = 0;
  #asking: Promise<void> | undefined;

  /** @throws `invalid_argument` for what is no URL, or one that lies open */
  constructor(jose: Jose, options: string | JwksOptions) {
    const { url, ...rest } = typeof options === 'string' ? { url: options } : options;
    const { protocol, username, password, host, hostname, pathname, search } = read(url);
    if (protocol === 'http:' && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname))
      throw new OctavoError(
        'invalid_argument',
        `jwt: keys from http://${host} could be anybody's: use https`,
      );
    this.#jose = jose;
    this.#options = {
      url,
      refreshMs: 600_000,
      maxStaleMs: 86_400_000,
      cooldownMs: 30_000,
      timeoutMs: 5_000,
      ...rest,
    };
    this.#address = `${protocol}//${username === '' ? '' : `${username}:${password}@`}${host}`;
    this.#path = `${pathname}${search}`;
  }

  async candidates(header: TokenHeader, parts: KeySourceParts): Promise<readonly Key[]> {
    const { clock } = parts;
    const { refreshMs, maxStaleMs } = this.#options;
    let now = clock.now();
    if (this.#set === undefined || now - this.#at >= maxStaleMs) await this.#ask(parts);
    else if (now - this.#at >= refreshMs && now >= this.#nextAt) void this.#ask(parts);
    now = clock.now();
    if (this.#set === undefined || now - this.#at >= maxStaleMs) throw this.#none(clock);
    const found = await this.#set.candidates(header);
    if (found.length > 0 || header.kid === undefined) return found;
    // The issuer may have a new key.
    if (this.#asking === undefined && now < this.#nextAt) return found;
    await this.#ask(parts);
    return this.#set.candidates(header);
  }

  /** Asks for the keys, unless that was done just now. Does not reject. */
  #ask({ clock, log }: KeySourceParts): Promise<void> {
    if (this.#asking === undefined && clock.now() < this.#nextAt) return Promise.resolve();
    return (this.#asking ??= this.#fetch({ clock, log })
      .then(
        (set) => {
          this.#set = set;
          this.#at = clock.now();
          this.#failures = 0;
          this.#nextAt = this.#at + this.#options.cooldownMs;
        },
        (error: unknown) => {
          const pause = Math.min(this.#options.cooldownMs, FIRST_PAUSE_MS * 2 ** this.#failures++);
          this.#nextAt = clock.now() + pause;
          log.warn('the keys for tokens could not be had', { url: this.#shown, error });
        },
      )
      .finally(() => {
        this.#asking = undefined;
      }));
  }

  async #fetch({ clock, log: logger }: KeySourceParts): Promise<KeySet> {
    const { tls, timeoutMs } = this.#options;
    const options = {
      addresses: [this.#address],
      port: this.#address.startsWith('https') ? 443 : 80,
      timeoutMs,
      maxBodyBytes: MOST_BYTES,
      ...(tls !== undefined && { tls }),
    };
    // For one question: nothing is left open for the minutes between two.
    const http = new JsonHttp('jwt', options, { clock, logger });
    try {
      await http.start();
      const { status, body } = await http.ask({ path: this.#path });
      if (status !== 200) throw new OctavoError('unavailable', `jwt: ${this.#shown} answered ${status}`);
      const set: unknown = typeof body === 'string' ? JSON.parse(body) : body;
      if (((set as { keys?: readonly unknown[] } | null)?.keys?.length ?? 0) > MOST_KEYS)
        throw new OctavoError('unavailable', `jwt: ${this.#shown} has more than ${MOST_KEYS} keys`);
      return new KeySet(this.#jose, set);
    } finally {
      http.stop();
    }
  }

  /** The URL without what a log must not show. */
  get #shown(): string {
    const { protocol, host, pathname } = read(this.#options.url);
    return `${protocol}//${host}${pathname}`;
  }

  #none(clock: Clock): OctavoError {
    const ms = Math.max(0, Math.ceil(this.#nextAt - clock.now()));
    // Where the keys are is nothing for a caller.
    return new OctavoError(
      'unavailable',
      'no keys to check tokens with could be had (jwt): the log says why',
      {
        executed: false,
        details: [{ type: RETRY_AFTER, ms }],
      },
    );
  }
}

function read(url: string): URL {
  const read = URL.canParse(url) ? new URL(url) : undefined;
  if (read !== undefined && /^https?:$/.test(read.protocol)) return read;
  throw new OctavoError('invalid_argument', 'jwt: "jwks" is no URL: write https://issuer.example/jwks.json');
}
