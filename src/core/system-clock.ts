import { performance } from 'node:perf_hooks';
import { Clock, type Timer, type TimerOptions } from './clock.js';
import { OctavoError } from './error.js';

/** Node cuts longer delays down to 1 ms, so longer ones are waited for in parts. */
const LONGEST = 2 ** 31 - 1;

/** The machine's clock: started from wall time once and monotonic from there. */
export class SystemClock extends Clock {
  readonly name = 'system';
  readonly #origin = performance.timeOrigin;

  now(): number {
    return this.#origin + performance.now();
  }

  after(ms: number, run: () => void, { background = false }: TimerOptions = {}): Timer {
    let left = Math.max(0, ms);
    const wait = (): NodeJS.Timeout => {
      const part = Math.min(left, LONGEST);
      left -= part;
      const timer = setTimeout(left > 0 ? () => (current = wait()) : run, part);
      return background ? timer.unref() : timer;
    };
    let current = wait();
    return {
      cancel() {
        clearTimeout(current);
      },
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        timer.cancel();
        reject(new OctavoError('cancelled', 'the sleep was aborted', { cause: signal?.reason }));
      };
      const timer = this.after(ms, () => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      });
      if (signal?.aborted === true) aborted();
      else signal?.addEventListener('abort', aborted, { once: true });
    });
  }
}
