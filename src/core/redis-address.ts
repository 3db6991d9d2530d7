import { readCredential } from './credential.js';
import { OctavoError } from './error.js';

/** Where a Redis server is, and what its address says of us. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly user?: string;
  readonly pass?: string;
  readonly db?: number;
}

const PORT = 6379;

/** Reads `host:port`, `redis://user:pass@host:port/2` and `rediss://host`. No error shows what stands before the `@`. */
export function parseRedis(address: string): RedisAddress {
  const match =
    /^(?:(rediss?):\/\/)?(?:([^@/]*)@)?(\[[\w:.%-]+\]|[^@/\s:[\]]+)(?::(\d{1,5}))?\/?(\d{1,5})?$/.exec(
      address.trim(),
    );
  const [, scheme, who = '', host, portText, db] = match ?? [];
  const port = portText === undefined ? PORT : Number(portText);
  if (host === undefined || port > 65_535)
    throw noAddress(address, 'write host:port, or redis://host:port/db');
  const colon = who.indexOf(':');
  // Without a colon it is the password, as redis-cli has it.
  const [user, pass] = (colon < 0 ? ['', who] : [who.slice(0, colon), who.slice(colon + 1)]).map((text) =>
    readCredential(text, host),
  );
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port,
    tls: scheme === 'rediss',
    ...(user !== '' && user !== undefined && { user }),
    ...(pass !== '' && pass !== undefined && { pass }),
    ...(db !== undefined && { db: Number(db) }),
  };
}

/** How logs and errors show it: without credentials. */
export function shownRedis({ host, port }: RedisAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function noAddress(address: string, remedy: string): OctavoError {
  return new OctavoError(
    'invalid_argument',
    `"${address.replace(/^.*@/, '')}" is no address of a Redis server: ${remedy}`,
  );
}
