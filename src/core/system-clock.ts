import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { Clock, type Timer, type TimerOptions } from './clock.js';
import { OctavoError } from './error.js';

/** Node cuts longer delays down to 1 ms. */
const LONGEST = 2 ** 31 - 1;

/** The machine's clock: started from wall time once and monotonic from there. */
export class SystemClock extends Clock {
  readonly name = 'system';

  now(): number {
    return performance.timeOrigin + performance.now();
  }

  after(ms: number, run: () => void, { background = false }: TimerOptions = {}): Timer {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), LONGEST));
    if (background) timer.unref();
    return {
      cancel() {
        clearTimeout(timer);
      },
    };
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    try {
      await wait(Math.min(Math.max(0, ms), LONGEST), undefined, signal === undefined ? {} : { signal });
    } catch (cause) {
      throw new OctavoError('cancelled', 'the sleep was aborted', { cause });
    }
  }
}
