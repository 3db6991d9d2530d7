import type { Redis } from 'ioredis';
import type { Entry } from './entry.js';

/** An entry that is to be handed out again, by its id: what it holds is read anew when its turn has come. */
export interface Again {
  readonly id: string;
  /** Counts its deliveries, with the next one. */
  readonly attempt: number;
}

/** Where the events of one subscription come from: a group of consumers, or the stream itself. */
export interface Source {
  /** Begins: what is published from then on will come. */
  open(redis: Redis): Promise<void>;
  /** Goes on with another connection, to a server that may have forgotten everything. */
  resume(redis: Redis): Promise<void>;
  /** So many new entries at most, within so many milliseconds. */
  read(redis: Redis, count: number, blockMs: number): Promise<readonly Entry[]>;
  /** Takes these as dealt with. */
  ack(redis: Redis, ids: readonly string[]): Promise<void>;
  /** Reads an entry for another delivery. `undefined` where it is gone. */
  again(redis: Redis, again: Again): Promise<Entry | undefined>;
  /** Says that these are still in hand, so that nobody takes them over. */
  keep(redis: Redis, ids: readonly string[]): Promise<void>;
  /** Leaves these to others, now. */
  giveBack(redis: Redis, ids: readonly string[]): Promise<void>;
  /** Takes over what others had in hand and are silent about, some of it. */
  takeOver(redis: Redis): Promise<readonly Again[]>;
  /** What the server thinks is in hand here, with the deliveries so far. */
  pending(redis: Redis): Promise<readonly Again[]>;
  /** Ends. What was given back is for the others. */
  leave(redis: Redis): Promise<void>;
}
