import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import type { TlsOptions } from '../../core/tls.js';

/** How a TLS connection is checked, and who we say that we are. The library cannot be told of another name than the host's. */
export type NsqTls = Pick<TlsOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'verify'>;

export interface ClientParts {
  readonly clock: Clock;
  readonly logger: Logger;
}
