import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import type { MESSAGE_LIMITS } from '../transport.js';
import type { Dropped } from './dropped.js';

/** What all sockets of one transport keep to. */
export interface Settings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: typeof MESSAGE_LIMITS;
  readonly maxSockets: number;
  readonly retransmitMs: number;
  readonly dropped: Dropped;
}
