import type { TlsOptions } from '../../core/tls.js';
import type { Lacking } from '../../core/tls-options.js';

/** How a TLS connection is checked, and who we say that we are. The library has no `verify` and no `minVersion`. */
export type EtcdTls =
  Pick<TlsOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'serverName' | 'reload'> | 'dev';

/** Source: etcd3 1.1.2, `connection-pool.ts`, which makes gRPC's credentials once, of `rootCertificate`, `privateKey` and `certChain`. */
export const LACKING: Lacking = {
  verify: 'etcd3 checks every certificate',
  minVersion: 'etcd3 does not tell gRPC of a version',
};

export function serverNameOf(tls: EtcdTls | undefined): string | undefined {
  return typeof tls === 'object' ? tls.serverName : undefined;
}
