import { AsyncResource } from 'node:async_hooks';
import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';

/** A token, and until when it is good, in milliseconds since the epoch; without that until it is refused. */
export interface JwtToken {
  readonly token: string;
  readonly expiresAt?: number;
}

export interface JwtClientOptions {
  /** The token, or how to get one: it is asked for when it is needed, and given a signal that fires when it takes too long. */
  readonly token: string | ((signal: AbortSignal) => Promise<JwtToken>);
  /** How long before its end a token is replaced, in milliseconds, at most half of its life; calls go on with the old one meanwhile. @defaultValue `30_000` */
  readonly refreshBeforeMs?: number;
  /** How often a token is replaced because it was refused, in milliseconds. @defaultValue `10_000` */
  readonly cooldownMs?: number;
  /** For how long getting a token may take, in milliseconds. @defaultValue `10_000` */
  readonly timeoutMs?: number;
}

interface Held extends JwtToken {
  readonly since: number;
}

type Teller = Pick<Context, 'clock' | 'log'>;

/** How long to wait after a failure, in milliseconds. */
const PAUSE_MS = 1_000;

/** The token of a client: one question for a new one at a time, whoever waits. */
export class Tokens {
  readonly #options: JwtClientOptions;
  /** No call that waits for a token is the one that it is fetched in: it would take its deadline with it. */
  readonly #outside = new AsyncResource('octavo.jwt');
  #held: Held | undefined;
  #asking: Promise<string> | undefined;
  /** When a token may be replaced again because it was refused. */
  #nextAt = 0;
  #failed: { readonly until: number; readonly error: OctavoError } | undefined;

  constructor(options: JwtClientOptions) {
    this.#options = options;
  }

  /** A token that is good, at once where there is one. */
  get(teller: Teller): MaybePromise<string> {
    const { token, refreshBeforeMs = 30_000 } = this.#options;
    if (typeof token === 'string') return token;
    const held = this.#held;
    if (held === undefined) return this.#ask(teller);
    const { since, expiresAt = Infinity } = held;
    const now = teller.clock.now();
    if (now >= expiresAt) return this.#ask(teller);
    if (now >= expiresAt - Math.min(refreshBeforeMs, (expiresAt - since) / 2))
      void this.#ask(teller).catch(() => {});
    return held.token;
  }

  /** Another token than one that was refused; `undefined` where there is none. Does not reject. */
  async instead(refused: string, teller: Teller): Promise<string | undefined> {
    const { token, cooldownMs = 10_000 } = this.#options;
    const held = this.#held;
    if (typeof token === 'string' || held === undefined) return undefined;
    if (held.token !== refused) return held.token;
    const now = teller.clock.now();
    // One was had in the place of a refused one just now, and is refused all the same.
    if (this.#asking === undefined && now < this.#nextAt) return undefined;
    this.#nextAt = now + cooldownMs;
    try {
      const fresh = await this.#ask(teller);
      return fresh === refused ? undefined : fresh;
    } catch {
      return undefined;
    }
  }

  #ask(teller: Teller): Promise<string> {
    const failed = this.#failed;
    if (this.#asking === undefined && failed !== undefined && teller.clock.now() < failed.until)
      return Promise.reject(failed.error);
    return (this.#asking ??= this.#fetch(teller)
      .catch((reason: unknown) => {
        const error = failure(reason);
        this.#failed = { until: teller.clock.now() + PAUSE_MS, error };
        teller.log.warn('no token could be had', { error });
        throw error;
      })
      .finally(() => {
        this.#asking = undefined;
      }));
  }

  #fetch({ clock }: Teller): Promise<string> {
    const { token: source, timeoutMs = 10_000 } = this.#options;
    const late = new AbortController();
    return new Promise<string>((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => {
        const error = new OctavoError('unavailable', `jwtClient: no token within ${timeoutMs} ms`, {
          executed: false,
        });
        late.abort(error);
        reject(error);
      });
      const get = async (): Promise<string> => {
        if (typeof source === 'string') return source;
        const given = await source(late.signal);
        this.#held = { ...checked(given), since: clock.now() };
        this.#failed = undefined;
        return this.#held.token;
      };
      this.#outside
        .runInAsyncScope(get)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }
}

function checked(given: JwtToken): JwtToken {
  const { token, expiresAt } = given;
  checkToken(token);
  if (expiresAt !== undefined && !Number.isFinite(expiresAt))
    throw new OctavoError(
      'invalid_argument',
      'jwtClient: "expiresAt" is a number of milliseconds since the epoch, or left out',
    );
  return { token, ...(expiresAt !== undefined && { expiresAt }) };
}

/** Throws `invalid_argument`, without the token, for what could not stand in a header. Source: RFC 6750 section 2.1. */
export function checkToken(token: unknown): void {
  if (typeof token !== 'string' || !/^[A-Za-z0-9._~+/-]+=*$/.test(token))
    throw new OctavoError(
      'invalid_argument',
      'jwtClient: the token is empty, or has characters that no token has',
    );
}

/** The call that wanted it was not sent. */
function failure(reason: unknown): OctavoError {
  const { code, message, details, executed } = OctavoError.from(reason);
  if (reason instanceof OctavoError && executed === false) return reason;
  const known = reason instanceof OctavoError;
  return new OctavoError(known ? code : 'unavailable', `no token could be had: ${message}`, {
    executed: false,
    details,
    cause: reason,
  });
}
