import type { ClientOptions } from '../client/client.js';
import { defined } from '../core/defined.js';
import { OctavoError } from '../core/error.js';
import type { Tls, TlsOptions } from '../core/tls.js';
import type { ServerOptions } from '../server/server.js';
import { readDuration } from './duration.js';
import type { Env } from './service.js';
import type { VariableName } from './variables.js';

/** The variables of an app, read and checked. An empty one counts as not set. */
export class Environment {
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  text(name: VariableName): string | undefined {
    const value = this.#env[name]?.trim();
    return value === '' ? undefined : value;
  }

  list(name: VariableName): readonly string[] | undefined {
    return this.text(name)
      ?.split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '');
  }

  /** The thing of this name. Throws `failed_precondition` that lists those there are. */
  choice<T>(name: VariableName, choices: Readonly<Record<string, T>>, fallback: string): T {
    const value = this.text(name) ?? fallback;
    if (Object.hasOwn(choices, value)) {
      // It was just seen to have it.
      return choices[value] as T;
    }
    throw this.#refuse(name, `one of ${Object.keys(choices).join(', ')}`);
  }

  duration(name: VariableName): number | undefined {
    return this.#read(name, readDuration, 'whole seconds (30) or a duration (1m30s)');
  }

  count(name: VariableName): number | undefined {
    return this.#read(name, (text) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined), 'a whole number');
  }

  pairs(name: VariableName): Readonly<Record<string, string>> | undefined {
    return this.#read(name, readPairs, 'key=value,key=value');
  }

  /** What the environment says of servers. */
  get server(): ServerOptions {
    return defined({
      name: this.text('MICRO_SERVER_NAME'),
      version: this.text('MICRO_SERVER_VERSION'),
      id: this.text('MICRO_SERVER_ID'),
      address: this.text('MICRO_SERVER_ADDRESS'),
      advertise: this.text('MICRO_SERVER_ADVERTISE'),
      metadata: this.pairs('MICRO_SERVER_METADATA'),
      registerTtlMs: this.duration('MICRO_REGISTER_TTL'),
      registerIntervalMs: this.duration('MICRO_REGISTER_INTERVAL'),
    });
  }

  /** What the environment says of clients. */
  get client(): ClientOptions {
    return defined({
      requestTimeoutMs: this.duration('MICRO_CLIENT_REQUEST_TIMEOUT'),
      retries: this.count('MICRO_CLIENT_RETRIES'),
      poolSize: this.count('MICRO_CLIENT_POOL_SIZE'),
      poolTtlMs: this.duration('MICRO_CLIENT_POOL_TTL'),
    });
  }

  /** What the environment says of TLS. Throws `failed_precondition` where that is two things at once. */
  get tls(): Tls | undefined {
    const ca = this.text('MICRO_TLS_CA');
    const cert = this.text('MICRO_TLS_CERT');
    const key = this.text('MICRO_TLS_KEY');
    const files = ca ?? cert ?? key;
    if (this.text('MICRO_TLS') === undefined)
      return files === undefined ? undefined : defined<TlsOptions>({ ca, cert, key });
    if (files === undefined) return this.choice('MICRO_TLS', { dev: 'dev' } as const, 'dev');
    throw new OctavoError(
      'failed_precondition',
      `MICRO_TLS is set, and "${files}" is named for MICRO_TLS_CA, MICRO_TLS_CERT or MICRO_TLS_KEY: set one or the other`,
    );
  }

  #read<T>(name: VariableName, read: (text: string) => T | undefined, form: string): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = read(text);
    if (value === undefined) throw this.#refuse(name, form);
    return value;
  }

  #refuse(name: VariableName, form: string): OctavoError {
    return new OctavoError('failed_precondition', `${name} is "${this.text(name)}": it takes ${form}`);
  }
}

function readPairs(text: string): Record<string, string> | undefined {
  const pairs = text.split(',').map((each) => each.trim().split('='));
  if (pairs.some(([key, value, ...more]) => key === '' || value === undefined || more.length > 0))
    return undefined;
  return Object.fromEntries(pairs.map(([key = '', value = '']) => [key, value]));
}
