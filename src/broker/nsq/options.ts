import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import type { DialTls } from '../../core/tls.js';

/** How a TLS connection is checked, and who we say that we are. */
export type NsqTls = DialTls;

export interface ClientParts {
  readonly clock: Clock;
  readonly logger: Logger;
}
