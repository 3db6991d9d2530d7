import { OctavoError } from '../../core/error.js';
import { parseHttpAddress, type HttpAddress } from '../../core/http-address.js';
import type { Node } from '../../registry/registry.js';
import type { ClientCall } from '../calling/client-call.js';

/** Where a request goes. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** `host:port`. */
  readonly shown: string;
}

const PORTS = { http: 80, https: 443 };
/** How many addresses are remembered as they were read. */
const MOST_KNOWN = 1_000;

/** Reads addresses, each once. */
export class Targets {
  readonly #known = new Map<string, Target>();
  readonly #secure: boolean;

  /** @param secure whether TLS is spoken with all that do not say `http://` */
  constructor(secure: boolean) {
    this.#secure = secure;
  }

  /** @throws `unavailable`, unexecuted, for an address that is none, as registries and callers may say anything */
  of({ address, metadata }: Node): Target {
    const secure = metadata['secure'] === 'true' || (this.#secure && !address.startsWith('http:'));
    const key = secure ? `secure ${address}` : address;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const target = read(address, secure);
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(key, target);
    return target;
  }
}

function read(address: string, secure: boolean): Target {
  const { host, port, tls, shown, user } = parsed(address, secure);
  // Not tried elsewhere: what lists the attempts would show it.
  if (user !== undefined)
    throw new OctavoError(
      'invalid_argument',
      `the address ${shown} has a user in it, who is not told there: give metadata such as authorization`,
      { executed: false },
    );
  return { host: host === '' ? '127.0.0.1' : host, port, tls: tls || secure, shown };
}

function parsed(address: string, secure: boolean): HttpAddress {
  try {
    return parseHttpAddress(address, secure || address.startsWith('https:') ? PORTS.https : PORTS.http);
  } catch (cause) {
    const { message } = OctavoError.from(cause);
    throw new OctavoError('unavailable', message, { cause, executed: false });
  }
}

/**
 * The path of a call: `/greeter.Greeter/Hello`.
 *
 * Without a contract the package is the service's name, as in go-micro; an endpoint that has a slash is taken as it is.
 */
export function pathOf({ service, endpoint, method }: ClientCall): string {
  if (endpoint.includes('/')) return endpoint.startsWith('/') ? endpoint : `/${endpoint}`;
  const dot = endpoint.lastIndexOf('.');
  const pack = method?.package ?? service.replaceAll(/[^\w.]/g, '_');
  return `/${pack}.${endpoint.slice(0, dot)}/${endpoint.slice(dot + 1)}`;
}
