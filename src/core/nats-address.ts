import { readCredential } from './credential.js';
import { OctavoError } from './error.js';

/** Where a NATS server is, and what its address says of us. */
export interface ServerAddress {
  readonly server: string;
  readonly tls: boolean;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

/** Reads `host:port`, `nats://host:port`, `tls://user:pass@host` and `nats://token@host`. No error shows what stands before the `@`. */
export function parseServer(address: string): ServerAddress {
  const match = /^(?:(nats|tls):\/\/)?(?:([^@/]*)@)?([^@/\s]+)\/?$/.exec(address.trim());
  const [, scheme, who, server] = match ?? [];
  if (server === undefined)
    throw new OctavoError(
      'invalid_argument',
      `"${address.replace(/^.*@/, '')}" is no address of a NATS server: write host:port, or nats://host:port`,
    );
  const tls = scheme === 'tls';
  if (who === undefined || who === '') return { server, tls };
  const colon = who.indexOf(':');
  if (colon < 0) return { server, tls, token: readCredential(who, server) };
  return {
    server,
    tls,
    user: readCredential(who.slice(0, colon), server),
    pass: readCredential(who.slice(colon + 1), server),
  };
}
