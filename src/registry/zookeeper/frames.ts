/** Bytes of the largest answer: a list of names as long as that is no registry. */
const MOST_BYTES = 64 * 1024 * 1024;
const PREFIX = 4;

/** Follows where each answer on a connection ends, to know of one that is too large, or none, before it is kept. */
export class Frames {
  /** The bytes of a length that is on its way. */
  #prefix: number[] = [];
  #missing = 0;

  /** Whether all lengths in these bytes are lengths. */
  pass(data: Uint8Array): boolean {
    for (let at = 0; at < data.length;) {
      if (this.#missing > 0) {
        const step = Math.min(this.#missing, data.length - at);
        this.#missing -= step;
        at += step;
        continue;
      }
      this.#prefix.push(data[at] ?? 0);
      at++;
      if (this.#prefix.length < PREFIX) continue;
      const length = Buffer.from(this.#prefix).readInt32BE();
      if (length < 0 || length > MOST_BYTES) return false;
      this.#prefix = [];
      this.#missing = length;
    }
    return true;
  }
}
