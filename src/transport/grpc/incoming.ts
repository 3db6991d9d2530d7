import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import type { MESSAGE_LIMITS } from '../transport.js';
import { PREFIX_BYTES, readMessage, readPrefix } from './message.js';

/** What has come on one stream and nobody has taken: bytes, as a message takes more memory than that. */
export class Incoming {
  readonly #limits: typeof MESSAGE_LIMITS;
  #bytes: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  /** Whether there is nothing else in the memory that holds them. */
  #own = true;

  constructor(limits: typeof MESSAGE_LIMITS) {
    this.#limits = limits;
  }

  /** How many bytes wait. */
  get held(): number {
    return this.#to - this.#from;
  }

  add(chunk: Buffer): void {
    const { held } = this;
    if (held === 0) {
      this.#bytes = chunk;
      this.#from = 0;
      this.#to = chunk.length;
      this.#own = false;
      return;
    }
    if (!this.#own || this.#to + chunk.length > this.#bytes.length) this.#move(chunk.length);
    this.#to += chunk.copy(this.#bytes, this.#to);
  }

  /** The bytes of the next message with its prefix; `undefined` before that has come. Throws for one that cannot be read. */
  length(): number | undefined {
    if (this.held < PREFIX_BYTES) return undefined;
    return PREFIX_BYTES + readPrefix(this.#bytes.subarray(this.#from, this.#to), this.#limits);
  }

  /**
   * Takes the next message; `undefined` while there is less than one.
   *
   * @param octavo whether an Octavo peer wrote it
   * @throws `invalid_argument`, `resource_exhausted` or `unimplemented` where nothing more can be read
   */
  next(octavo: boolean): Message | undefined {
    const length = this.length();
    if (length === undefined || length > this.held) return undefined;
    const bytes = this.#bytes.subarray(this.#from + PREFIX_BYTES, this.#from + length);
    this.#from += length;
    if (this.held === 0) this.clear();
    return readMessage(bytes, this.#limits, octavo);
  }

  /** Nobody takes what is there now: it is not to hold more memory than its own. */
  settle(): void {
    if (!this.#own) this.#move(0);
  }

  clear(): void {
    this.#bytes = NOTHING;
    this.#from = 0;
    this.#to = 0;
    this.#own = true;
  }

  /** Moves what is there to memory of its own with room for so much more; what was given out stays where it is. */
  #move(more: number): void {
    const { held } = this;
    const bytes = Buffer.allocUnsafeSlow(more === 0 ? held : Math.max(held + more, 2 * held));
    this.#bytes.copy(bytes, 0, this.#from, this.#to);
    this.#bytes = bytes;
    this.#from = 0;
    this.#to = held;
    this.#own = true;
  }
}

/** What is left when the other end has ended in the middle of a message. */
export function cutShort(remote: string): OctavoError {
  return new OctavoError('unavailable', `${remote} ended in the middle of a message`);
}

const NOTHING = Buffer.alloc(0);
