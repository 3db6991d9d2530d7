import type { Clock } from '../../core/clock.js';

/** For how long an answered call is remembered, in milliseconds: longer than a caller waits between two sendings. */
const REMEMBERED_MS = 10_000;
/** How many are remembered, and how many bytes of answers, at most: the oldest go first. */
const MOST = 16_384;
const MOST_BYTES = 16 * 1024 * 1024;

interface Answer {
  readonly at: number;
  /** What was answered; `undefined` where nobody may ask again. */
  readonly datagram: Buffer | undefined;
}

/** The calls that were answered, so that one that comes again is not run again. */
export class Answered {
  readonly #clock: Clock;
  /** By the call's id, the oldest first. */
  readonly #answers = new Map<string, Answer>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#answers.size;
  }

  /** Bytes of answers that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  get(id: string): Answer | undefined {
    const answer = this.#answers.get(id);
    return answer !== undefined && this.#clock.now() - answer.at < REMEMBERED_MS ? answer : undefined;
  }

  add(id: string, datagram?: Buffer): void {
    const at = this.#clock.now();
    this.#remove(id);
    this.#answers.set(id, { at, datagram: datagram && alone(datagram) });
    this.#bytes += datagram?.length ?? 0;
    for (const [oldest, answer] of this.#answers) {
      const fits = this.#answers.size <= MOST && this.#bytes <= MOST_BYTES;
      if (fits && at - answer.at < REMEMBERED_MS) break;
      this.#remove(oldest);
    }
  }

  #remove(id: string): void {
    this.#bytes -= this.#answers.get(id)?.datagram?.length ?? 0;
    this.#answers.delete(id);
  }
}

/** The same bytes in memory of their own: a few of a larger piece would keep all of it. */
function alone(bytes: Buffer): Buffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}
