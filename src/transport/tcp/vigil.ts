/** The times that the other end of a connection has to keep. */
export interface VigilOptions {
  /** For how long a message may take to come or to leave, in milliseconds; `0` is for ever. */
  readonly timeoutMs: number;
  /** For how long a preface or a frame may take to come, in milliseconds; `0` is for ever. */
  readonly headerTimeoutMs: number;
  /** After which silence the other end is taken for dead, in milliseconds; `0` is never. */
  readonly keepaliveMs: number;
}

/** How a connection is at one look. */
export interface Sight {
  /** Whether the other end is behind in reading; whether we therefore do not read it. */
  readonly full: boolean;
  readonly deaf: boolean;
  /** Whether something has begun to come and not ended; how many came whole, the preface among them. */
  readonly begun: boolean;
  readonly frames: number;
}

/** How often to look, so that what is late is noticed before a third of its time more. */
export function lookEvery({ timeoutMs, headerTimeoutMs, keepaliveMs }: VigilOptions): number {
  const times = [timeoutMs, headerTimeoutMs, keepaliveMs].filter((ms) => ms > 0);
  return times.length === 0 ? 0 : Math.max(SHORTEST, Math.floor(Math.min(...times) / 3));
}

/** The shortest time between two looks, in milliseconds. */
const SHORTEST = 20;

/** Notices when the other end of a connection is dead, or too slow. One look in a while serves all that goes on there. */
export class Vigil {
  readonly #options: VigilOptions;
  readonly #everyMs: number;
  #heard = true;
  #silentMs = 0;
  #asked = false;
  #frames = 0;
  #begunAt: number;
  #fullSince: number | undefined;

  constructor(options: VigilOptions, now: number) {
    this.#options = options;
    this.#everyMs = lookEvery(options);
    this.#begunAt = now;
  }

  /** Something came. */
  hear(): void {
    this.#heard = true;
  }

  /** That nothing came for too long, in words, where that is so. */
  get silence(): string | undefined {
    return this.#heard ? undefined : `was silent for ${this.#options.keepaliveMs} ms (keepaliveMs)`;
  }

  /** What is to be done: nothing, to ask for a sign of life, or to give up because of silence or for the reason that is given. */
  look(now: number, { full, deaf, begun, frames }: Sight): 'ask' | 'silent' | (string & {}) | undefined {
    const { timeoutMs, headerTimeoutMs } = this.#options;
    this.#fullSince = full ? (this.#fullSince ?? now) : undefined;
    if (timeoutMs > 0 && now - (this.#fullSince ?? now) >= timeoutMs)
      return `nothing was read at the other end for ${timeoutMs} ms (timeoutMs)`;
    // Who does not read cannot hear.
    if (deaf) return undefined;
    if (!begun || frames !== this.#frames) {
      this.#frames = frames;
      this.#begunAt = now;
    }
    if (begun && headerTimeoutMs > 0 && now - this.#begunAt >= headerTimeoutMs)
      return `a frame, or the preface, did not come whole within ${headerTimeoutMs} ms (headerTimeoutMs)`;
    return this.#listen();
  }

  #listen(): 'ask' | 'silent' | undefined {
    const { keepaliveMs } = this.#options;
    if (keepaliveMs === 0) return undefined;
    const heard = this.#heard;
    this.#heard = false;
    if (heard) {
      this.#silentMs = 0;
      this.#asked = false;
      return undefined;
    }
    this.#silentMs += this.#everyMs;
    if (!this.#asked && this.#silentMs + this.#everyMs > keepaliveMs / 3) {
      this.#asked = true;
      return 'ask';
    }
    // The silence began up to one look before the first that noticed it, and the next look would be too late.
    return this.#asked && this.#silentMs + 2 * this.#everyMs > keepaliveMs ? 'silent' : undefined;
  }
}
