/** A span of time: google.protobuf.Duration. Both parts have the same sign. */
export class Duration {
  /** Whole seconds, from -315,576,000,000 to 315,576,000,000 (10,000 years). */
  seconds: bigint;
  /** What is left, in nanoseconds, from -999,999,999 to 999,999,999. */
  nanos: number;

  constructor(seconds = 0n, nanos = 0) {
    this.seconds = seconds;
    this.nanos = nanos;
  }

  /** The duration of so many milliseconds, to the nanosecond. */
  static ofMs(ms: number): Duration {
    if (!Number.isFinite(ms)) throw new RangeError(`a duration of ${ms} ms: give a finite number`);
    const seconds = Math.trunc(ms / 1_000);
    const nanos = Math.round((ms - seconds * 1_000) * 1_000_000);
    // Rounding can fill the second: 999.9999999 ms.
    const carry = Math.trunc(nanos / 1_000_000_000);
    return new Duration(BigInt(seconds + carry), nanos - carry * 1_000_000_000 || 0);
  }

  /** In milliseconds, with a fraction. */
  toMs(): number {
    return Number(this.seconds) * 1_000 + this.nanos / 1_000_000;
  }
}
