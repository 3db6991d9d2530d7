import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';

/** Who we are, as SASL has it. */
export interface KafkaSasl {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

export interface ClientParts {
  readonly clock: Clock;
  readonly logger: Logger;
}
