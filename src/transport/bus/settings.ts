import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import type { MESSAGE_LIMITS } from '../transport.js';

/** What all sockets of one transport keep to. */
export interface Settings {
  /** The transport's, as errors on the wire have it. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: typeof MESSAGE_LIMITS;
  readonly timeoutMs: number;
  readonly keepaliveMs: number;
  readonly maxSockets: number;
  /** Whether addresses are shared with other servers. */
  readonly shared: boolean;
}
