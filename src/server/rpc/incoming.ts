import type { CallHeader, Codec } from '../../codec/codec.js';
import type { Metadata } from '../../core/metadata.js';

/** What mucp's headers say of a call, and the codec for its content type. */
export interface Incoming {
  readonly header: Metadata;
  /** When the first of its request came, where the transport knows. */
  readonly arrivedAt: number | undefined;
  /** What was left of the caller's time when it was sent, as its header has it. */
  readonly timeout: string | undefined;
  readonly service: string;
  readonly contentType: string;
  readonly codec: Codec;
  /** What the envelope of the first message says, where it has one. */
  readonly envelope: CallHeader | undefined;
  /** Whether the caller speaks Octavo's dialect. */
  readonly octavo: boolean;
  readonly stream: string | undefined;
}
