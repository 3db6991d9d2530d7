import type { MaybePromise } from '../../core/lifecycle.js';
import { malformed } from './header.js';

/** How many messages of a stream, and how many bytes of bodies, may be on their way or unread before the sender is told to wait. */
export const WINDOW_MESSAGES = 64;
export const WINDOW_BYTES = 512 * 1024;

/** What was sent on a stream and is not read yet, as far as its sender knows. */
export class Sent {
  readonly #sizes: number[] = [];
  #bytes = 0;
  /** How many were read, in all; as the wire counts, in 32 bits. */
  #read = 0;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /** Counts a message. A promise means that the reader is behind: it resolves when there is room again. */
  add(bytes: number): MaybePromise<void> {
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    if (this.#full) return this.#wait();
  }

  /** The reader says how many it has read, in all. Throws `invalid_argument` for more than were sent. */
  read(total: number): void {
    const more = (total - this.#read) >>> 0;
    if (more > this.#sizes.length) throw malformed('more was read than was sent');
    this.#read = total;
    for (const bytes of this.#sizes.splice(0, more)) this.#bytes -= bytes;
    if (!this.#full) this.release();
  }

  /** Lets a sender go that waits. */
  release(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  get #full(): boolean {
    return this.#sizes.length >= WINDOW_MESSAGES || this.#bytes >= WINDOW_BYTES;
  }

  #wait(): Promise<void> {
    if (this.#room === undefined) {
      let resolve: () => void = () => {};
      const promise = new Promise<void>((settle) => (resolve = settle));
      this.#room = { promise, resolve };
    }
    return this.#room.promise;
  }
}

/** What came on a stream, and how much of it was read. */
export class Arrived {
  #unreadMessages = 0;
  #unreadBytes = 0;
  #read = 0;
  #told = 0;
  #untoldBytes = 0;

  /** Counts a message that came. Whether its sender goes on though it was told to wait, so that memory would fill. */
  add(bytes: number, maxMessageBytes: number): boolean {
    this.#unreadMessages++;
    this.#unreadBytes += bytes;
    return (
      this.#unreadMessages > 2 * WINDOW_MESSAGES || this.#unreadBytes > 2 * (WINDOW_BYTES + maxMessageBytes)
    );
  }

  /** Counts a message that was read. Gives how many were read in all when it is time to tell the sender. */
  read(bytes: number): number | undefined {
    this.#unreadMessages--;
    this.#unreadBytes -= bytes;
    this.#read = (this.#read + 1) >>> 0;
    this.#untoldBytes += bytes;
    const untold = (this.#read - this.#told) >>> 0;
    if (untold < WINDOW_MESSAGES / 2 && this.#untoldBytes < WINDOW_BYTES / 2) return undefined;
    this.#told = this.#read;
    this.#untoldBytes = 0;
    return this.#read;
  }
}
