import { checkServerIdentity, type SecureContext } from 'node:tls';
import type { ServerAddress } from './nats-address.js';
import type { Certificates, IdentityCheck } from './tls.js';
import { tlsFault } from './tls-fault.js';

/** What Node is told of TLS. */
export interface NatsSecurity extends Pick<IdentityCheck, 'rejectUnauthorized' | 'checkServerIdentity'> {
  readonly secureContext: SecureContext;
}

/** What a connection to these servers tells Node. Node's own answer to whom an IP address belongs would be `localhost`, whatever was dialled. */
export async function secured(
  certificates: Certificates,
  servers: readonly ServerAddress[],
): Promise<NatsSecurity> {
  await certificates.start();
  const { serverName, verify } = certificates.policy;
  const hosts = servers.map(({ server }) => server.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
  return {
    rejectUnauthorized: verify,
    checkServerIdentity(host, certificate) {
      const names = serverName !== undefined ? [serverName] : host === 'localhost' ? hosts : [host];
      const faults = names.map((name) => checkServerIdentity(name, certificate));
      return faults.includes(undefined) ? undefined : faults[0];
    },
    // The library opens connections by itself, too, and asks each time.
    get secureContext() {
      return certificates.current();
    },
  };
}

/** What is wrong with TLS, where an error, or what it came of, says so. */
export function tlsFaultIn(where: string, reason: unknown): string | undefined {
  if (!(reason instanceof Error)) return undefined;
  return tlsFault(where, reason) ?? tlsFaultIn(where, reason.cause);
}
