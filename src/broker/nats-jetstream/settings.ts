import type { HeaderLimits } from '../envelope.js';
import type { ServedLimits } from '../served.js';

/** What the stream, its consumers and their pulling keep to, with the defaults filled in. */
export interface Settings extends ServedLimits, HeaderLimits {
  readonly stream: string;
  readonly prefix: string;
  readonly subjects: readonly string[];
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly dedupeMs: number;
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
  readonly maxDeliver: number;
  readonly inactiveMs: number;
}
