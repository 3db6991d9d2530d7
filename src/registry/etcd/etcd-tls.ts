import type { TlsOptions } from '../../core/tls.js';

/** How a TLS connection is checked, and who we say that we are. The library has no `verify`, `minVersion` or `reload`. */
export type EtcdTls = Pick<TlsOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'serverName'> | 'dev';
