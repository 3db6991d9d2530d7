import { formatAddress, parseAddress, type HostPort } from '../../core/address.js';
import { readCredential } from '../../core/credential.js';
import { OctavoError } from '../../core/error.js';

/** A server of an ensemble. */
export interface Server extends HostPort {
  /** `host:port`, without credentials. */
  readonly shown: string;
}

/** Where an ensemble is, and what its addresses say of us. */
export interface Servers {
  readonly servers: readonly Server[];
  readonly user?: string | undefined;
  readonly pass?: string | undefined;
}

const PORT = 2_181;

/** Reads `host`, `host:port` and `user:pass@host:port`. No error shows what stands before the `@`. */
export function parseServers(addresses: readonly string[]): Servers {
  const parsed = addresses.map(parse);
  if (parsed.length === 0)
    throw new OctavoError('invalid_argument', 'addresses of the zookeeper registry is empty: name a server');
  const who = parsed.find(({ user }) => user !== undefined);
  return { servers: parsed.map(({ server }) => server), user: who?.user, pass: who?.pass };
}

function parse(address: string): { server: Server; user?: string; pass?: string } {
  const [, who, place = ''] = /^(?:(.*)@)?([^@]*)$/s.exec(address.trim()) ?? [];
  const at = parseAddress(/:\d+$/.test(place) ? place : `${place}:${PORT}`);
  const server = { ...at, shown: formatAddress(at.host, at.port) };
  if (who === undefined) return { server };
  const colon = who.indexOf(':');
  if (colon < 0) return { server, user: readCredential(who, server.shown) };
  return {
    server,
    user: readCredential(who.slice(0, colon), server.shown),
    pass: readCredential(who.slice(colon + 1), server.shown),
  };
}
