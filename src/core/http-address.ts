import { formatAddress, parseAddress } from './address.js';
import { readCredential } from './credential.js';
import { OctavoError } from './error.js';

/** Where a server is that speaks HTTP, and what its address says of us. */
export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** `host:port`, without credentials. */
  readonly shown: string;
  readonly user?: string;
  readonly pass?: string;
}

/** Reads `host`, `host:port`, `http://host:port` and `https://user:pass@host`. No error shows what stands before the `@`. */
export function parseHttpAddress(address: string, port: number): HttpAddress {
  const match = /^(?:(https?):\/\/)?(?:([^@/]*)@)?([^@/\s]+)\/?$/.exec(address.trim());
  const [, scheme, who = '', server] = match ?? [];
  if (server === undefined)
    throw new OctavoError(
      'invalid_argument',
      `"${address.replace(/^.*@/, '')}" is no address of an HTTP server: write host:port, or http://host:port`,
    );
  const at = parseAddress(/:\d+$/.test(server) ? server : `${server}:${port}`);
  const place = { ...at, tls: scheme === 'https', shown: formatAddress(at.host, at.port) };
  if (who === '') return place;
  const colon = who.indexOf(':');
  const [user, pass] = colon < 0 ? [who, ''] : [who.slice(0, colon), who.slice(colon + 1)];
  return { ...place, user: readCredential(user, place.shown), pass: readCredential(pass, place.shown) };
}
